"""`docs/security.md` and `docs/api.md` say what is there."""

import ast
import re
from http import HTTPStatus
from pathlib import Path

import pytest

from trimtab.control.api import openapi
from trimtab.control.api.order import _NEED_REASON, Order
from trimtab.streams.setting_table import ENTRIES

ROOT = Path(__file__).resolve().parents[2]
SECURITY = (ROOT / "docs" / "security.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
OF_MODELS = ("/api/v1/models", "/api/v1/answers")
"""Routes of the catalogue, which docs/models.md sends to the OpenAPI document for."""
TESTS = {
    function.name
    for part in ("control/api", "control/console", "control/notify", "engine")
    for path in (ROOT / "tests" / part).glob("test_*.py")
    for function in ast.walk(ast.parse(path.read_text()))
    if isinstance(function, ast.FunctionDef)
}


def test_each_point_of_the_threat_model_has_a_test_that_exists() -> None:
    rows = [line for line in SECURITY.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.strip("| ").split(" | ")[-1])
        assert named, row
        assert set(named) <= TESTS, row


@pytest.mark.parametrize("text", [SECURITY, API], ids=["security", "api"])
def test_every_setting_and_link_leads_somewhere(text: str) -> None:
    named = set(re.findall(r"`((?:api|kafka)\.[a-z_.]+)`", text))
    assert named
    assert named <= {".".join(path) for path in ENTRIES}
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / "docs" / target).exists(), target


def test_every_route_and_action_is_described() -> None:
    for path in (path for _, path in openapi._ANSWERS if not path.startswith(OF_MODELS)):
        assert path.replace("{name}", "NAME").replace("{revision}", "ERA-OFFSET") in API
    for action in Order.model_json_schema()["properties"]["action"]["enum"]:
        assert f"`{action}`" in API
    assert "`reason` is required of `abort`, `retry`, `freeze`, `set-weights` and `exclude`" in API
    assert set(_NEED_REASON) == {"abort", "retry", "freeze", "set-weights", "exclude"}


def test_every_status_that_is_answered_is_described() -> None:
    rows = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", API, re.MULTILINE)
    told = {int(number) for row in rows for number in row.split(", ")}
    answered = {*openapi._BY_ALL, *openapi._BY_CHANGES, 404, 405, 422} - {HTTPStatus.INTERNAL_SERVER_ERROR}
    assert told == answered
