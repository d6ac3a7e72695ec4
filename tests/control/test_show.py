"""A release as a person reads it at a terminal."""

from typing import Any

from rich.console import Console, RenderableType

from control.decisions import arm, decision
from trimtab.control.release_view import ReleaseView
from trimtab.control.show import release_panel, sidecars_table
from trimtab.schemas.decision import Decision, SegmentArm
from trimtab.schemas.sidecar import SidecarReport


def printed(what: RenderableType) -> str:
    console = Console(width=160, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def shown(made: Decision, *sidecars: SidecarReport) -> str:
    return printed(release_panel(ReleaseView(made, b"{}", [*sidecars], [])))


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


def report(name: str, **fields: Any) -> SidecarReport:
    return SidecarReport(sidecar=name, proxy="envoy", release="checkout", in_force=(1, 7), **fields)


SIDECARS = [
    report("fresh", age_s=2.4),
    report("kept", age_s=75.0, stale=True),
    report("aged", age_s=312.4, stale=True, fallback="baseline"),
    report("older"),
]


def test_weights_past_their_age_are_told_in_plain_words() -> None:
    told = shown(decision(), *SIDECARS)
    assert "sidecar fresh: revision 7 in force\n" in told
    assert "sidecar kept: revision 7 in force; nobody has stood behind its weights for 75 s: they stay in force" in told
    assert "nobody has stood behind its weights for 312 s: all goes to the baseline" in told


def test_sidecars_are_listed_with_the_age_of_their_weights() -> None:
    table = sidecars_table([ReleaseView(decision(), b"{}", SIDECARS, [])])
    assert table is not None
    lines = printed(table).splitlines()
    ages = {name: line for name in ("fresh", "kept", "aged", "older") for line in lines if f" {name} " in line}
    assert " 2 s " in ages["fresh"]
    assert " 75 s, stale " in ages["kept"]
    assert " 312 s, baseline " in ages["aged"]
    assert " s " not in ages["older"]
