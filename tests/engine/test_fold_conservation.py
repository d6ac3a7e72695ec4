"""Law 4 for the engine: events in = counted + late + refused, whatever is killed, and nothing is counted twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fold_rig import APPLIED, FoldRig, totals_of
from engine.logs import dense_logs, logs
from engine.reference import Content, Message, fold
from trimtab.engine.pane import FoldSpec

DISTURBANCES = (
    "read", "read and emit", "catch up", "catch up", "emit", "acknowledge", "settle", "settle", "settle", "crash", "emit and crash",
    "emit half and crash", "emit nowhere and crash", "leave a zombie", "zombies", "deliver again",
)  # fmt: skip
plans = st.lists(st.sampled_from(DISTURBANCES), max_size=50)
restarts = st.lists(st.sampled_from(("settle", "settle", "settle", "crash", "catch up")), min_size=5, max_size=40)


def disturbed(rig: FoldRig, plan: list[str]) -> None:
    for step in plan:
        disturb(rig, step)
    rig.finish()


def disturb(rig: FoldRig, step: str) -> None:
    match step:
        case "read":
            rig.read()
        case "emit":
            rig.emit()
        case "read and emit":
            rig.read()
            rig.emit()
        case "catch up":
            rig.catch_up()
            rig.read()
        case "acknowledge":
            rig.acknowledge()
        case "settle":
            rig.read()
            rig.emit()
            rig.acknowledge(1000)
            rig.commit()
        case "deliver again":
            rig.read_again()
        case "zombies":
            rig.zombies_go_on()
        case "crash" | "leave a zombie":
            rig.crash(leaves_zombie=step != "crash")
        case "emit and crash" | "emit half and crash" | "emit nowhere and crash":
            rig.emit(delivered_to={"emit and crash": (0, 1), "emit half and crash": (0,)}.get(step, ()))
            rig.crash()


def expected(content: Content) -> tuple[list[int], dict[str, tuple[int, int, int]]]:
    return content.counts, content.sums


@settings(max_examples=250)
@given(logs(), plans)
def test_every_event_is_counted_once_or_late_or_refused_whatever_is_killed(log: list[Message], plan: list[str]) -> None:
    rig = FoldRig(log)
    rig.apply(*APPLIED)
    disturbed(rig, plan)
    reference = fold(log, FoldSpec())
    assert rig.booked + rig.refused == reference.events
    for name in APPLIED:
        for variant in ("stable", "canary"):
            assert totals_of(rig.snapshot(name), variant) == expected(reference.total(name, variant))


@settings(max_examples=400)
@given(dense_logs(), restarts)
def test_a_restart_between_seconds_that_share_messages_counts_each_event_once(
    log: list[Message], plan: list[str]
) -> None:
    rig = FoldRig(log)
    rig.apply(*APPLIED)
    disturbed(rig, plan)
    assert totals_of(rig.snapshot("checkout"), "canary") == expected(fold(log, FoldSpec()).total("checkout", "canary"))


@settings(max_examples=120)
@given(logs(), plans, st.lists(st.tuples(st.integers(0, 40), st.sampled_from(APPLIED)), max_size=3))
def test_an_event_of_a_release_that_comes_later_is_counted_or_refused_but_never_both(
    log: list[Message], plan: list[str], applied: list[tuple[int, str]]
) -> None:
    rig = FoldRig(log)
    for at, step in enumerate(plan):
        rig.apply(*(name for when, name in applied if when == at))
        disturb(rig, step)
    rig.apply(*APPLIED)
    rig.finish()
    assert rig.booked + rig.refused == fold(log, FoldSpec()).events


@settings(max_examples=60)
@given(logs(), plans, st.integers(0, 4_000), st.integers(0, 3_000), st.integers(0, 60_000))
def test_nothing_is_lost_under_any_lateness_skew_and_future(
    log: list[Message], plan: list[str], lateness_ms: int, skew_ms: int, future_ms: int
) -> None:
    foldspec = FoldSpec(lateness_ms, skew_ms, future_ms)
    rig = FoldRig(log, foldspec)
    rig.apply(*APPLIED)
    disturbed(rig, plan)
    reference = fold(log, foldspec)
    assert rig.booked + rig.refused == reference.events
    for name in APPLIED:
        assert totals_of(rig.snapshot(name), "canary") == expected(reference.total(name, "canary"))
