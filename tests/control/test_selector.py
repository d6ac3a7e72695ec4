import pytest
import typer

from trimtab.control.selector import parse_selector
from trimtab.control.since import since_ms

LABELS = {"team": "payments", "tier": "gold"}


@pytest.mark.parametrize(
    ("selector", "is_wanted"),
    [
        ("", True), ("team=payments", True), ("team==payments", True), ("team=search", False), ("team", True),
        ("canary", False), ("tier!=free", True), ("canary!=yes", True), ("tier!=gold", False),
        ("team=payments, tier=gold", True), ("team=payments,tier=free", False),
    ],
)  # fmt: skip
def test_a_selector_wants_releases_by_their_labels(selector: str, *, is_wanted: bool) -> None:
    assert parse_selector(selector)(LABELS) is is_wanted


@pytest.mark.parametrize("selector", ["=payments", "!=payments", "team=a,,"])
def test_what_is_no_selector_is_refused(selector: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        parse_selector(selector)
    assert ended.value.exit_code == 2
    assert "--selector: expected NAME=VALUE" in capsys.readouterr().err


def test_a_stretch_of_time_is_counted_back_from_now() -> None:
    assert since_ms("1h") - since_ms("1.5h") == pytest.approx(1_800_000, abs=1_000)
    assert since_ms("all") == 0
    assert since_ms("2026-01-31T12:00:00Z") == since_ms("2026-01-31T12:00:00") == 1_769_860_800_000


@pytest.mark.parametrize("text", ["", "5", "yesterday", "-5m", "5w"])
def test_what_is_no_time_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        since_ms(text)
    assert ended.value.exit_code == 2
    assert "--since: expected a time" in capsys.readouterr().err
