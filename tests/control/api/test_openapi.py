"""The OpenAPI document holds together, and says what a client needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from control.api.api_rig import ApiRig

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def document() -> Iterator[Any]:
    with ApiRig() as rig:
        server = rig.serve()
        yield server.get("/openapi.json").json
        assert server.end() == 0


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            yield from references(value)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def test_the_document_is_of_openapi_3_1_and_every_reference_leads_somewhere(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    found = set(references(document))
    assert len(found) > 30
    for reference in found:
        assert reference.startswith("#/components/schemas/")
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
    assert {"/api/v1/releases/{name}/commands", "/api/v1/audit", "/api/v1/events"} <= set(document["paths"])


def test_every_error_that_is_documented_is_a_problem(document: Any) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path not in ("/livez", "/readyz"):
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_every_operation_says_what_it_is_for(document: Any) -> None:
    told = [
        operation.get("description", "")
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert min(map(len, told)) > 10
