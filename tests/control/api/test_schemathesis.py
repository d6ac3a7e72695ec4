"""What the API does is what its OpenAPI document says, as far as anybody can think of requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from control.api.api_rig import ApiServer
from integration.worker_rig import WorkerRig

pytestmark = [pytest.mark.integration, pytest.mark.proxies, pytest.mark.timeout(900)]
MODELS = Path(__file__).parents[3] / "examples" / "models-digits.yaml"
ADMIN = "admin-token-" + "a" * 8
STREAMS = ("/api/v1/events", "/api/v1/releases/{name}/events")
SLOW = ("/api/v1/releases/{name}/what-if",)
BEYOND: list[Any] = [positive_data_acceptance]
"""Not asked: rules that a JSON Schema cannot have (weights sum to 10,000) are told by 422, and If-Match by 412."""


@pytest.fixture(scope="module")
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        yield rig


@pytest.fixture(scope="module")
def api(rig: WorkerRig) -> Iterator[ApiServer]:
    catalog = f"TRIMTAB_CATALOG__URL=sqlite:///{rig.folder / 'catalog.db'}"
    settings = (f"TRIMTAB_API__TOKENS=admin ada {ADMIN}", "TRIMTAB_API__COMMANDS_PER_MINUTE=10000", catalog)
    server = ApiServer(rig.folder / "serve.log", rig.kafka, rig.redis, *settings)
    as_admin = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/yaml"}
    assert server.ask("POST", "/api/v1/models", MODELS.read_bytes(), as_admin).status == 200
    yield server
    assert server.end() == 0
    assert "request_failed" not in server.program.output


def test_schemathesis_finds_no_violation(api: ApiServer) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{api.port}/openapi.json")
    checked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.path in STREAMS:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=5 if operation.path in SLOW else 40, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {ADMIN}"}, excluded_checks=BEYOND, timeout=30)

        check()
        checked += 1
    assert checked >= 17
