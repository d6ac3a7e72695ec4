"""A candidate's latency against the baseline's at frozen limits."""

import math

import numpy as np
import pytest

from engine.builders import sketch_of
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.latency import LatencyTest, frozen_limits_ms, slow_pair
from trimtab.engine.sequential.look import SlowPair
from trimtab.engine.sketch import Sketch
from trimtab.schemas.decision import Verdict


def durations_us(rng: np.random.Generator, n: int, factor: float = 1.0) -> Sketch:
    return sketch_of((factor * 20_000 * rng.lognormal(0, 0.6, n)).astype(np.int64))


def limits(rng: np.random.Generator) -> tuple[float, ...]:
    frozen = frozen_limits_ms(durations_us(rng, 5_000))
    assert frozen is not Verdict.INCONCLUSIVE
    return frozen


def seconds_until(factor: float, seconds: int, *, margin: float = 1.0, seed: int = 1) -> float:
    rng = np.random.default_rng(seed)
    frozen, test = limits(rng), LatencyTest(margin)
    for second in range(1, seconds + 1):
        test.update(slow_pair(durations_us(rng, 10, factor), durations_us(rng, 90), frozen))
        if test.evidence() >= math.log(100):
            return second
    return math.inf


def test_limits_are_the_quantiles_of_the_warm_up() -> None:
    assert limits(np.random.default_rng(1)) == pytest.approx(
        (20.0, 20 * math.exp(0.6 * 1.2816), 20 * math.exp(1.396)), rel=0.05
    )


def test_a_short_warm_up_sets_no_limits() -> None:
    assert frozen_limits_ms(sketch_of([1_000] * 999)) is Verdict.INCONCLUSIVE
    assert frozen_limits_ms(Sketch()) is Verdict.INCONCLUSIVE
    assert frozen_limits_ms(sketch_of([1_000] * 1_000)) == pytest.approx((1.0, 1.0, 1.0), rel=0.01)


def test_a_look_counts_what_is_slower_than_each_limit() -> None:
    look = slow_pair(sketch_of([1_000, 5_000]), sketch_of([1_000, 2_000, 9_000]), (1.5, 4.0, 20.0))
    assert look == SlowPair(2, [1, 1, 0], 3, [2, 1, 0])


def test_evidence_is_the_mean_of_comparisons_at_each_limit() -> None:
    rng, test = np.random.default_rng(2), LatencyTest(1.1)
    parts = [ComparisonTest(1.1) for _ in range(3)]
    for _ in range(20):
        look = SlowPair(
            30, rng.binomial(30, [0.6, 0.2, 0.05]).tolist(), 90, rng.binomial(90, [0.5, 0.1, 0.01]).tolist()
        )
        test.update(look)
        for part, pair in zip(parts, look.pairs(), strict=True):
            part.update(pair)
    assert math.exp(test.evidence()) == pytest.approx(sum(math.exp(part.evidence()) for part in parts) / 3)
    values = [part.estimate().value for part in parts]
    assert test.estimate().value == max(value for value in values if value is not None)


def test_a_slower_candidate_is_found_and_a_faster_one_is_not() -> None:
    assert seconds_until(1.2, 200) < 60
    assert seconds_until(1.0, 300) == math.inf
    assert seconds_until(0.8, 300) == math.inf
    assert seconds_until(1.2, 300, margin=4.0) == math.inf


def test_one_limit_that_is_crossed_more_often_is_enough_to_be_beyond() -> None:
    test = LatencyTest()
    test.update(SlowPair(100, (40, 8, 2), 100, (50, 10, 1)))
    assert not test.estimate().is_within
    assert test.estimate().value == pytest.approx(2.02, abs=0.01)
