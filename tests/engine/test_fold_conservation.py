"""Law 4 for the engine: events in = counted + late + refused, whatever is killed, and nothing is counted twice."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fold_rig import APPLIED, FoldRig, totals_of
from engine.logs import dense_logs, logs
from engine.reference import Content, Message, fold
from trimtab.engine import contribution, pane
from trimtab.engine.pane import FoldSpec

Plan = list[Callable[[FoldRig], None]]

plans = st.lists(
    st.sampled_from(
        (
            FoldRig.read, FoldRig.read_and_emit, FoldRig.catch_up, FoldRig.catch_up, FoldRig.read_again, FoldRig.emit,
            FoldRig.acknowledge, FoldRig.settle, FoldRig.settle, FoldRig.settle, FoldRig.crash, FoldRig.emit_and_crash,
            FoldRig.crash_while_emitting, FoldRig.crash_before_delivery, FoldRig.leave_a_zombie, FoldRig.zombies_go_on,
        )
    ),
    min_size=12,
    max_size=50,
)  # fmt: skip
restarts = st.lists(
    st.sampled_from((FoldRig.settle, FoldRig.settle, FoldRig.settle, FoldRig.crash, FoldRig.catch_up)),
    min_size=10,
    max_size=40,
)


def disturbed(rig: FoldRig, plan: Plan) -> None:
    for step in plan:
        step(rig)
    rig.finish()


def expected(content: Content) -> tuple[list[int], dict[str, tuple[int, int, int]]]:
    return content.counts, content.sums


@settings(max_examples=150)
@given(logs(), plans)
def test_every_event_is_counted_once_or_late_or_refused_whatever_is_killed(log: list[Message], plan: Plan) -> None:
    rig = FoldRig(log)
    rig.apply(*APPLIED)
    disturbed(rig, plan)
    reference = fold(log, FoldSpec())
    assert rig.booked + rig.refused == reference.events
    for name in APPLIED:
        for variant in ("stable", "canary"):
            assert totals_of(rig.snapshot(name), variant) == expected(reference.total(name, variant))


@settings(max_examples=300)
@given(dense_logs(), restarts)
def test_a_restart_between_seconds_that_share_messages_counts_each_event_once(log: list[Message], plan: Plan) -> None:
    rig = FoldRig(log)
    rig.apply(*APPLIED)
    disturbed(rig, plan)
    assert totals_of(rig.snapshot("checkout"), "canary") == expected(fold(log, FoldSpec()).total("checkout", "canary"))


late_comers = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(APPLIED), st.sampled_from(("canary", "phantom"))), max_size=4
)


@settings(max_examples=120)
@given(logs(), plans, late_comers)
def test_an_event_of_a_release_or_variant_that_comes_later_is_counted_or_refused_but_never_both(
    log: list[Message], plan: Plan, applied: list[tuple[int, str, str]]
) -> None:
    rig = FoldRig(log)
    for at, step in enumerate(plan):
        for when, name, newest in applied:
            if when == at:
                rig.apply(name, variants=("stable", "canary", newest)[: 2 + (newest == "phantom")])
        step(rig)
    rig.finish()
    assert rig.booked + rig.refused == fold(log, FoldSpec()).events


@settings(max_examples=80)
@given(logs(), plans, st.sampled_from([1, 400, contribution.MAX_BYTES]))
def test_a_backlog_that_goes_out_a_second_at_a_time_counts_each_event_once(
    log: list[Message], plan: Plan, parts: int
) -> None:
    rig = FoldRig(log)
    rig.apply(*APPLIED)
    with pytest.MonkeyPatch.context() as patch:
        # Logs that are short enough to be drawn never come to thousands of panes.
        patch.setattr(pane, "MAX_BYTES", 1)
        patch.setattr(contribution, "MAX_BYTES", parts)
        disturbed(rig, plan)
    reference = fold(log, FoldSpec())
    assert rig.booked + rig.refused == reference.events
    for name in APPLIED:
        assert totals_of(rig.snapshot(name), "canary") == expected(reference.total(name, "canary"))


@settings(max_examples=60)
@given(logs(), plans, st.integers(0, 4_000), st.integers(0, 3_000), st.integers(0, 60_000))
def test_nothing_is_lost_under_any_lateness_skew_and_future(
    log: list[Message], plan: Plan, lateness_ms: int, skew_ms: int, future_ms: int
) -> None:
    foldspec = FoldSpec(lateness_ms, skew_ms, future_ms)
    rig = FoldRig(log, foldspec)
    rig.apply(*APPLIED)
    disturbed(rig, plan)
    reference = fold(log, foldspec)
    assert rig.booked + rig.refused == reference.events
    for name in APPLIED:
        assert totals_of(rig.snapshot(name), "canary") == expected(reference.total(name, "canary"))
