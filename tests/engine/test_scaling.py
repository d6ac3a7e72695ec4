"""Scaling advice: bounds, cooldown, and whose fault slowness is."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from engine.builders import sketch_of
from trimtab.engine.escalation import Change
from trimtab.engine.scaling import Action, Advice, Scaler
from trimtab.engine.sketch import Sketch
from trimtab.engine.slowness import Cause, Load, cause_of, response_time_ms
from trimtab.engine.window import ArmWindow
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.scaling import Scaling

CHAIN = {
    "type": "toOne",
    "escalations": [{"type": "scaleInstances", "min": 2, "max": 3}, {"type": "scaleCpu", "min": 1_000, "max": 2_000,
                                                                    "step": 1_000}],
}  # fmt: skip
MINUTE_MS = 60_000


def scaling(**more: object) -> Scaling:
    return Scaling.model_validate(
        {"type": "responseTimeSlidingWindow", "upper": 300, "lower": 100, "escalation": CHAIN} | more
    )


def window_of(durations_ms: npt.ArrayLike, *, errors: int = 0, requests: int | None = None) -> ArmWindow:
    durations_us = (np.asarray(durations_ms) * 1_000).astype(np.int64)
    counts = [0] * len(COUNTS)
    n = len(durations_us)
    for name, value in (("requests", n if requests is None else requests), ("responses", n), ("errors", errors)):
        counts[COUNTS.index(name)] = value
    counts[COUNTS.index("duration_us")] = int(durations_us.sum())
    return ArmWindow(counts, {}, sketch_of(durations_us))


def around(mean_ms: float, n: int = 400, **more: int) -> ArmWindow:
    """Responses spread evenly between half the mean and half as much again."""
    return window_of(np.linspace(0.5 * mean_ms, 1.5 * mean_ms, n), **more)


def advice(candidate: ArmWindow, baseline: ArmWindow | None = None, **spec: object) -> Advice:
    return Scaler(scaling(**spec)).assess(candidate, 0, baseline, baseline_instances=2)


# What the bounds ask for.


def test_slow_responses_ask_for_more() -> None:
    given_advice = advice(around(400))
    assert given_advice.action is Action.ESCALATE
    assert given_advice.changes == (Change("", "instances", 2, 3),)
    assert given_advice.reason == "mean response time 400 ms over 10m is over 300 ms; instances 2 -> 3"
    assert (given_advice.n, given_advice.baseline_ms, given_advice.baseline_n) == (400, None, 0)
    assert given_advice.value_ms == pytest.approx(400, abs=0.01)


def test_fast_responses_ask_for_less() -> None:
    scaler = Scaler(scaling())
    scaler.tell("instances", 3)
    given_advice = scaler.assess(around(50), 0)
    assert (given_advice.action, given_advice.changes) == (Action.DE_ESCALATE, (Change("", "instances", 3, 2),))


def test_responses_within_the_bounds_ask_for_nothing() -> None:
    given_advice = advice(around(200))
    assert (given_advice.action, given_advice.is_advice) == (Action.HOLD, False)
    assert given_advice.reason == "mean response time 200 ms over 10m is within 100 and 300 ms"


@pytest.mark.parametrize("n", [0, 99])
def test_without_enough_responses_nothing_is_said(n: int) -> None:
    given_advice = advice(around(400, n))
    assert (given_advice.action, given_advice.n) == (Action.INCONCLUSIVE, n)


def test_no_traffic_is_no_reason_for_less() -> None:
    assert advice(window_of([]), lower=1).action is Action.INCONCLUSIVE


def test_fast_errors_are_no_reason_for_less() -> None:
    given_advice = advice(around(50, errors=21))
    assert given_advice.action is Action.CANNOT_TELL
    assert given_advice.reason.endswith("under 100 ms, but 21 of 400 responses failed")
    assert advice(around(50, errors=20)).action is Action.AT_LIMIT


def test_where_every_step_is_at_its_end_that_is_said() -> None:
    assert advice(around(50)).reason.endswith("every step is at its min")
    scaler = Scaler(scaling())
    scaler.tell("instances", 3)
    scaler.tell("cpu", 2_000)
    given_advice = scaler.assess(around(400), 0)
    assert given_advice.reason.endswith("every step is at its max")
    assert (given_advice.action, given_advice.is_advice) == (Action.AT_LIMIT, False)


@pytest.mark.parametrize("measure", ["p50", "p90", "p95", "p99"])
def test_a_quantile_may_be_bounded_in_place_of_the_mean(measure: str) -> None:
    window = around(200)
    value_ms = response_time_ms(scaling(measure=measure), window)
    assert value_ms == window.latency.quantile_ms(int(measure[1:]) / 100)
    assert advice(window, measure=measure).value_ms == value_ms


# Time.


def test_after_an_advice_nothing_is_said_for_the_cooldown() -> None:
    scaler = Scaler(scaling(cooldown="10m"))
    scaler.assess(around(400), 0)
    quiet = scaler.assess(around(400), 10 * MINUTE_MS - 1)
    assert (quiet.action, quiet.reason) == (Action.COOLDOWN, "1 s of the cooldown are left")
    assert quiet.quiet_until_ms == 10 * MINUTE_MS
    again = scaler.assess(around(400), 10 * MINUTE_MS)
    assert again.changes == (Change("", "cpu", 1_000, 2_000),)


def test_what_is_no_advice_starts_no_cooldown() -> None:
    scaler = Scaler(scaling())
    for window in (around(200), around(400, 5), around(50)):
        assert not scaler.assess(window, 0).is_advice
    assert scaler.assess(around(400), 1).action is Action.ESCALATE


def test_what_there_really_is_wins_over_what_was_advised() -> None:
    scaler = Scaler(scaling(cooldown="1m"))
    scaler.assess(around(400), 0)
    scaler.tell("instances", 2)
    assert scaler.assess(around(400), MINUTE_MS).changes == (Change("", "instances", 2, 3),)


def test_less_than_one_instance_is_refused() -> None:
    with pytest.raises(ValueError, match="instances: expected at least 1, got 0"):
        Scaler(scaling()).tell("instances", 0)
    with pytest.raises(ValueError, match="instances: expected at least 1, got 0"):
        Scaler(scaling()).assess(around(400), 0, around(400), baseline_instances=0)


# Whose fault it is.


def test_a_candidate_slower_than_a_good_baseline_is_rolled_back() -> None:
    candidate, baseline = around(400), around(200)
    given_advice = advice(candidate, baseline)
    assert (given_advice.action, given_advice.changes) == (Action.ROLL_BACK, ())
    above = [window.latency.count_above(200) for window in (candidate, baseline)]
    p = fisher_exact([[n, 400 - n] for n in above], alternative="greater").pvalue
    assert given_advice.reason == (
        "mean response time 400 ms over 10m is over 300 ms: 400 ms, the baseline 200 ms: "
        f"the candidate alone is slow at like load (p {p:.2g})"
    )
    assert given_advice.quiet_until_ms == 10 * MINUTE_MS


def test_where_both_are_slow_alike_it_is_scaled_out() -> None:
    given_advice = advice(around(400), around(390))
    assert (given_advice.action, given_advice.changes) == (Action.ESCALATE, (Change("", "instances", 2, 3),))
    assert "400 ms, the baseline 390 ms: both are slow" in given_advice.reason


def test_where_both_are_slow_and_the_candidate_slower_it_is_rolled_back_and_scaled_out() -> None:
    given_advice = advice(around(800), around(400))
    assert (given_advice.action, given_advice.changes) == (
        Action.ROLL_BACK_AND_ESCALATE,
        (Change("", "instances", 2, 3),),
    )


def test_where_both_are_slow_and_nothing_can_be_scaled_the_slower_is_rolled_back() -> None:
    fixed = {"type": "scaleInstances", "min": 2, "max": 2}
    given_advice = advice(around(800), around(400), escalation=fixed)
    assert (given_advice.action, given_advice.changes) == (Action.ROLL_BACK, ())
    assert given_advice.reason.endswith("every step is at its max")


@pytest.mark.parametrize(
    ("candidate", "baseline", "reason"),
    [
        (around(400), around(200, 99), "the baseline has had 99 responses, expected 100"),
        (around(400), window_of([]), "the baseline has had 0 responses, expected 100"),
        (around(310), around(290), "310 ms, the baseline 290 ms: too close to tell, with the bound of 300 ms between"),
        (around(400, requests=1_200), around(200), "but it has had 600 requests an instance and the baseline 200"),
        (around(400), around(390, requests=600), "although it has had 200 requests an instance and the baseline 300"),
        (window_of([10] * 399 + [200_000]), around(250), "which may be chance (p 1, expected 0.001)"),
    ],
)
def test_where_it_cannot_be_told_nothing_is_done(candidate: ArmWindow, baseline: ArmWindow, reason: str) -> None:
    given_advice = advice(candidate, baseline)
    assert (given_advice.action, given_advice.changes) == (Action.CANNOT_TELL, ())
    assert reason in given_advice.reason
    assert not given_advice.is_advice


def test_a_slower_candidate_with_less_load_is_to_blame_all_the_more() -> None:
    assert advice(around(400), around(200, requests=4_000)).action is Action.ROLL_BACK


def test_as_slow_as_the_baseline_under_more_load_is_load() -> None:
    assert advice(around(400, requests=4_000), around(390)).action is Action.ESCALATE


def test_load_is_counted_by_instance() -> None:
    scaler = Scaler(scaling())
    scaler.tell("instances", 3)
    like = scaler.assess(around(400, requests=300), 0, around(200, requests=1_900), baseline_instances=19)
    assert like.action is Action.ROLL_BACK
    unlike = Scaler(scaling()).assess(around(400, requests=300), 0, around(200, requests=1_900), baseline_instances=38)
    assert unlike.action is Action.CANNOT_TELL


def test_within_the_bounds_the_baseline_is_not_asked() -> None:
    assert advice(around(290), around(110)).action is Action.HOLD
    assert advice(around(50), around(400)).action is Action.AT_LIMIT


def test_without_durations_nothing_is_significant() -> None:
    bare = ArmWindow(window_of([400] * 200).counts, {}, Sketch())
    assert cause_of(scaling(), Load(bare, 1), Load(around(200), 1)).cause is Cause.UNKNOWN


def test_a_candidate_of_which_all_are_slow_is_blamed() -> None:
    all_slow, all_fast = Load(window_of([900] * 200), 1), Load(window_of([10] * 200), 1)
    assert cause_of(scaling(measure="p50"), all_slow, all_fast).cause is Cause.VERSION


def test_a_single_response_of_minutes_blames_nobody() -> None:
    outlier, usual = Load(window_of([100] * 199 + [200_000]), 1), Load(window_of([260] * 400), 1)
    assert cause_of(scaling(), outlier, usual).cause is Cause.UNKNOWN


def test_ten_million_responses_are_judged_at_once() -> None:
    """A tail of that many terms is cut where it is nothing."""
    here, there = (ArmWindow(around(mean_ms).counts, {}, millions(slow)) for mean_ms, slow in ((400, 7), (200, 3)))
    assert cause_of(scaling(), Load(here, 1), Load(there, 1)).cause is Cause.VERSION


def millions(slow: int) -> Sketch:
    """Ten million durations, so many millions of them slow."""
    sketch = Sketch()
    sketch.add(np.array([100, 800]), np.array([10 - slow, slow]) * 1_000_000)
    return sketch


@pytest.mark.parametrize("slow", [6, 12, 20, 40])
@pytest.mark.parametrize("slow_there", [2, 10])
def test_chance_is_that_of_fishers_exact_test(slow: int, slow_there: int) -> None:
    candidate = window_of([1_000] * slow + [50] * (200 - slow))
    baseline = window_of([1_000] * slow_there + [50] * (400 - slow_there))
    p = fisher_exact([[slow, 200 - slow], [slow_there, 400 - slow_there]], alternative="greater").pvalue
    for allowed in (0.99 * p, max(1e-12, 1.01 * p)):
        spec = scaling(upper=900, lower=1, slowerRatio=1.0001, confidence=1 - max(1e-15, allowed))
        found = cause_of(spec, Load(candidate, 1), Load(baseline, 1))
        assert (found.cause is Cause.VERSION) == (p <= max(1e-15, allowed))


# Snapshots.

LOOKS = st.lists(
    st.tuples(st.integers(0, 400_000), st.sampled_from([20, 50, 200, 400, 900]), st.sampled_from([None, 150, 400])),
    max_size=12,
)


def run(scaler: Scaler, looks: Sequence[tuple[int, int, int | None]], start_ms: int) -> list[Advice]:
    given_advice, now_ms = [], start_ms
    for wait_ms, mean_ms, baseline_ms in looks:
        now_ms += wait_ms
        baseline = None if baseline_ms is None else around(baseline_ms)
        given_advice.append(scaler.assess(around(mean_ms), now_ms, baseline, baseline_instances=2))
    return given_advice


@given(LOOKS, LOOKS)
def test_a_snapshot_continues_exactly(
    before: list[tuple[int, int, int | None]], after: list[tuple[int, int, int | None]]
) -> None:
    scaler, restored = Scaler(scaling()), Scaler(scaling())
    run(scaler, before, 0)
    restored.restore(json.loads(json.dumps(scaler.snapshot())))
    start_ms = sum(wait_ms for wait_ms, *_ in before)
    assert run(restored, after, start_ms) == run(scaler, after, start_ms)
    assert restored.snapshot() == scaler.snapshot()


@given(LOOKS)
def test_advice_is_never_given_twice_within_a_cooldown(looks: list[tuple[int, int, int | None]]) -> None:
    given_advice, now_ms, last_ms = run(Scaler(scaling()), looks, 0), 0, -(10**9)
    for (wait_ms, *_), each in zip(looks, given_advice, strict=True):
        now_ms += wait_ms
        if each.is_advice:
            assert now_ms - last_ms >= 600_000
            last_ms = now_ms


def test_a_snapshot_of_other_steps_keeps_what_both_have() -> None:
    scaler = Scaler(scaling())
    scaler.tell("instances", 3)
    other = Scaler(scaling(escalation={"type": "scaleInstances", "min": 1, "max": 9}))
    other.restore(scaler.snapshot())
    assert other.assess(around(400), 0).changes == (Change("", "instances", 3, 4),)
