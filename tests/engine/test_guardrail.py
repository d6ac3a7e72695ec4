"""Guardrails: a table at every boundary, and how often a healthy variant is condemned under constant peeking."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.engine.evidence import News
from trimtab.engine.guardrail import Room, assess, breaches_at_most, room
from trimtab.engine.sketch import bucket_of_limit, buckets_of
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.guardrail import ErrorRateGuardrail, LatencyGuardrail

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def errors_in(responses: int, errors: int) -> ArmWindow:
    window = ArmWindow()
    window.counts[COUNTS.index("responses")], window.counts[COUNTS.index("errors")] = responses, errors
    return window


def durations_in(fast: int, slow: int, *, fast_us: int = 10_000, slow_us: int = 900_000) -> ArmWindow:
    window = errors_in(fast + slow, 0)
    buckets = buckets_of(np.array([fast_us, slow_us], dtype=np.uint32))
    window.latency.add(buckets[:1], np.array([fast]))
    window.latency.add(buckets[1:], np.array([slow]))
    return window


def rate(limit: float = 0.05, **more: object) -> ErrorRateGuardrail:
    return ErrorRateGuardrail.model_validate({"metric": "error_rate", "max": limit, **more})


def p99(limit_ms: float = 250, **more: object) -> LatencyGuardrail:
    return LatencyGuardrail.model_validate({"metric": "latency_p99_ms", "max": limit_ms, **more})


def above(breaches: int, n: int, allowed: float) -> float:
    """P(share > allowed), from the prior Beta(1, (1 - allowed) / allowed)."""
    return float(stats.beta(1 + breaches, (1 - allowed) / allowed + n - breaches).sf(allowed))


def verdict_of(guardrail: ErrorRateGuardrail | LatencyGuardrail, window: ArmWindow) -> Verdict:
    return assess(guardrail, "canary", window).verdict


@settings(max_examples=500)
@given(
    st.integers(0, 400),
    st.integers(0, 400),
    st.integers(0, 50),
    st.sampled_from([0.001, 0.05, 0.5, 0.8, 0.99]),
    st.floats(0.64, 0.9999),
)
def test_what_there_is_room_for_does_not_fail(good: int, bad: int, more: int, limit: float, confidence: float) -> None:
    guardrail = rate(limit, confidence=confidence, min_samples=1)
    left = room(guardrail, good + bad, bad)
    for breaches in range(left + 1):
        assert verdict_of(guardrail, errors_in(good + bad + more + breaches, bad + breaches)) is not FAIL


Tiles = list[tuple[int, int]]
TILES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), min_size=1, max_size=5)


@settings(max_examples=500)
@given(TILES, st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=1, max_size=6), st.floats(0.64, 0.9))
def test_while_there_is_room_a_guardrail_does_not_fail(tiles: Tiles, coming: Tiles, confidence: float) -> None:
    """Tiles and what comes are (good, bad); what comes brings a hop forward, or none, and bad responses."""
    guardrail, hop = rate(0.2, confidence=confidence, min_samples=1), 7
    left = Room(guardrail, together(tiles), [errors_in(good + bad, bad) for good, bad in tiles], hop)
    ahead, come = 0, 0
    for hops, breaches in coming:
        ahead, come = ahead + hops, come + breaches
        inside = tiles[ahead:]
        if left.takes(breaches, hop + ahead):
            assert verdict_of(guardrail, together([*inside, (0, come)])) is not FAIL
        else:
            assert room(guardrail, *sums(inside)) < come
    assert left.is_there == (room(guardrail, *sums(tiles)) >= 0)


def sums(tiles: Tiles) -> tuple[int, int]:
    return sum(good + bad for good, bad in tiles), sum(bad for _, bad in tiles)


def together(tiles: Tiles) -> ArmWindow:
    return errors_in(*sums(tiles))


def test_every_breach_that_may_have_come_is_counted() -> None:
    news = News(responses=7, errors=3, slowest=bucket_of_limit(250) + 1)
    assert breaches_at_most(rate(0.05), news) == 3
    assert breaches_at_most(rate(0.05, confidence=0.6), news) == 7, "where even a share below the limit may fail"
    assert breaches_at_most(p99(250), news) == 7
    assert breaches_at_most(p99(251), news) == 7, "a bucket is counted as a whole"
    assert breaches_at_most(p99(1_000), news) == 0


@pytest.mark.parametrize(
    ("responses", "errors", "verdict"),
    [
        (0, 0, INCONCLUSIVE),
        (19, 0, INCONCLUSIVE),
        (19, 19, INCONCLUSIVE),
        (20, 0, PASS),
        (20, 20, FAIL),
    ],
)
def test_fewer_responses_than_min_samples_are_inconclusive(responses: int, errors: int, verdict: Verdict) -> None:
    assert verdict_of(rate(min_samples=20), errors_in(responses, errors)) is verdict


@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.999, 0.99999])
@pytest.mark.parametrize("limit", [0.001, 0.05, 0.4, 0.9])
@pytest.mark.parametrize("responses", [20, 137, 5_000])
def test_a_variant_fails_from_the_first_breach_that_is_sure_enough_on(
    responses: int, limit: float, confidence: float
) -> None:
    guardrail = rate(limit, confidence=confidence)
    every = np.arange(responses + 1)
    for errors, probability in enumerate(stats.beta.sf(limit, 1 + every, (1 - limit) / limit + responses - every)):
        expected = FAIL if probability >= confidence else PASS if probability <= 0.5 else INCONCLUSIVE
        assessment = assess(guardrail, "canary", errors_in(responses, errors))
        assert assessment.probability == pytest.approx(probability, rel=1e-7, abs=1e-15)
        if abs(probability - confidence) > 1e-9 and abs(probability - 0.5) > 1e-9:
            assert assessment.verdict is expected
        if assessment.verdict is FAIL:
            break


def test_probabilities_exactly_on_their_bounds_decide() -> None:
    window = errors_in(50, 7)
    probability = assess(rate(0.05), "canary", window).probability
    assert verdict_of(rate(0.05, confidence=probability), window) is FAIL
    assert verdict_of(rate(0.05, confidence=float(np.nextafter(probability, 1))), window) is INCONCLUSIVE


def test_one_response_can_neither_condemn_nor_acquit_by_much() -> None:
    bad, good = (assess(rate(0.05, min_samples=1), "canary", errors_in(1, errors)) for errors in (1, 0))
    assert 0.5 < bad.probability < 0.95
    assert 0.25 < good.probability < 0.5


@given(st.integers(0, 3_000), st.floats(0, 1), st.floats(0.001, 0.9))
def test_more_errors_never_make_a_variant_look_better(n: int, share: float, limit: float) -> None:
    errors = int(share * n)
    fewer, more = (assess(rate(limit), "canary", errors_in(n + 1, count)).probability for count in (errors, errors + 1))
    assert fewer <= more


@pytest.mark.parametrize("quantile", ["p50", "p90", "p95", "p99"])
def test_a_latency_quantile_is_a_share_of_slower_responses(quantile: str) -> None:
    guardrail = LatencyGuardrail.model_validate({"metric": f"latency_{quantile}_ms", "max": 250})
    allowed = round(1 - int(quantile[1:]) / 100, 6)
    assessment = assess(guardrail, "canary", durations_in(80, 20))
    assert (assessment.n, assessment.breaches, assessment.allowed_ratio) == (100, 20, allowed)
    assert assessment.probability == pytest.approx(above(20, 100, allowed))
    assert assessment.value == pytest.approx(900 if allowed < 0.2 else 10, rel=0.01)


def test_responses_at_the_limit_do_not_breach_it() -> None:
    assert assess(p99(250), "canary", durations_in(0, 100, slow_us=250_000)).breaches == 0
    assert assess(p99(250), "canary", durations_in(0, 100, slow_us=260_000)).breaches == 100


def test_a_slow_variant_fails_on_latency_alone() -> None:
    assert verdict_of(p99(250), durations_in(80, 20)) is FAIL
    assert verdict_of(p99(250), durations_in(100, 0)) is PASS
    assert verdict_of(rate(), durations_in(80, 20)) is PASS


def test_an_assessment_tells_what_it_rests_on() -> None:
    assert assess(rate(0.05, window="1m", min_samples=30, confidence=0.99), "canary", errors_in(40, 1)) == Assessment(
        guardrail="error_rate over 1m", variant="canary", verdict=PASS, value=0.025, limit=0.05, n=40, breaches=1,
        allowed_ratio=0.05, probability=assess(rate(0.05), "canary", errors_in(40, 1)).probability,
        confidence=0.99, window_s=60,
    )  # fmt: skip


def test_without_responses_there_is_no_value() -> None:
    for guardrail in (rate(), p99()):
        assessment = assess(guardrail, "canary", ArmWindow())
        assert (assessment.value, assessment.n, assessment.verdict) == (None, 0, INCONCLUSIVE)


def false_alarms(guardrail: ErrorRateGuardrail, per_record: float, true_rate: float, runs: int, seed: int) -> float:
    """Share of runs that are condemned within ten minutes, looking at every record, ten a second, of a 10 s window."""
    rng = np.random.default_rng(seed)
    records, in_window = 6_000, 100
    alarms = 0
    for _ in range(runs):
        n = rng.poisson(per_record, records)
        errors = rng.binomial(n, true_rate)
        sums = [np.convolve(column, np.ones(in_window, dtype=np.int64))[:records] for column in (n, errors)]
        looks = np.unique(np.stack(sums), axis=1).T.tolist()
        alarms += any(verdict_of(guardrail, errors_in(*look)) is FAIL for look in looks)
    return alarms / runs


@pytest.mark.slow
@pytest.mark.parametrize("per_record", [0.5, 5.0, 50.0])
@pytest.mark.parametrize("limit", [0.02, 0.1])
def test_a_variant_at_half_the_limit_is_seldom_condemned_in_ten_minutes_of_peeking(
    per_record: float, limit: float
) -> None:
    assert false_alarms(rate(limit), per_record, limit / 2, runs=100, seed=11) <= 0.01


def test_a_healthy_variant_is_not_condemned_in_ten_minutes_of_peeking() -> None:
    assert false_alarms(rate(0.05), 5.0, 0.005, runs=10, seed=12) == 0
