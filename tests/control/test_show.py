"""A release as a person reads it at a terminal."""

from rich.console import Console

from control.decisions import arm, decision
from trimtab.control.release_view import ReleaseView
from trimtab.control.show import release_panel
from trimtab.schemas.decision import Decision, SegmentArm


def shown(made: Decision) -> str:
    console = Console(width=160, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(release_panel(ReleaseView(made, b"{}", [], [])))
    return captured.get()


def test_metrics_and_segments_are_shown_where_there_are_some() -> None:
    known = SegmentArm(
        weight=4_100, trials=20, reward_sum=5.0, requests=22, responses=21, errors=1, error_ratio=0.05, p50_ms=8.0,
        p99_ms=None,
    )  # fmt: skip
    first = arm("v1", metrics={"experience": 0.8751, "paid": None}, segments={"mobile": known})
    told = [line.split() for line in shown(decision(arms=[first, arm("v2", metrics={"experience": 0.5})])).splitlines()]
    assert ["METRIC", "1m", "v1", "v2"] in told
    assert ["experience", "0.8751", "0.5"] in told
    assert ["paid", "-", "-"] in told
    assert ["mobile", "v1", "4100", "21", "0.0500"] in told


def test_nothing_is_shown_of_what_a_release_has_none_of() -> None:
    told = shown(decision())
    assert "METRIC" not in told
    assert "SEGMENT" not in told
