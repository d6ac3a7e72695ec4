"""The limit of a latency bound that is relative to the baseline follows the baseline."""

import numpy as np
import pytest

from engine.builders import sketch_of
from trimtab.engine.rail import LatencyRatioRail, Pair
from trimtab.engine.sequential.conclusion import Rule
from trimtab.engine.sequential.latency import REFREEZE_LOOKS
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Verdict
from trimtab.schemas.evidence import COUNTS

RULE = Rule(alpha=0.01)


def second(rng: np.random.Generator, responses: int, median_ms: float) -> ArmWindow:
    durations_us = (1000 * median_ms * rng.lognormal(0, 0.3, responses)).astype(np.int64)
    counts = [0] * len(COUNTS)
    counts[COUNTS.index("responses")] = responses
    return ArmWindow(counts, {}, sketch_of(durations_us))


def run(rail: LatencyRatioRail, rng: np.random.Generator, seconds: int, medians_ms: tuple[float, float]) -> Verdict:
    canary_ms, stable_ms = medians_ms
    for _ in range(seconds):
        rail.update(Pair(second(rng, 10, canary_ms), second(rng, 90, stable_ms)))
    return rail.conclude(RULE).verdict


def test_a_slower_candidate_is_found_after_the_baseline_has_become_faster() -> None:
    """Against the quantile of long ago, 60 ms, nobody is slow any more."""
    rng = np.random.default_rng(1)
    rail = LatencyRatioRail(1.1, 0.9)
    assert run(rail, rng, 100, (40, 40)) is not Verdict.FAIL
    assert run(rail, rng, 2 * REFREEZE_LOOKS, (10, 10)) is not Verdict.FAIL
    assert run(rail, rng, 200, (20, 10)) is Verdict.FAIL


def test_a_drift_that_both_share_fails_nobody() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rail = LatencyRatioRail(1.1, 0.9)
        for step in range(30):
            assert run(rail, rng, 20, (20.0 + 2 * step, 20.0 + 2 * step)) is not Verdict.FAIL


@pytest.mark.parametrize("seconds", [3, 12, 40, 80, 100])
def test_a_snapshot_continues_exactly(seconds: int) -> None:
    rng = np.random.default_rng(seconds)
    rail, restored = LatencyRatioRail(1.1, 0.9), LatencyRatioRail(1.1, 0.9)
    run(rail, rng, seconds, (20, 20))
    restored.restore(rail.snapshot())
    for _ in range(REFREEZE_LOOKS + 5):
        pair = Pair(second(rng, 10, 25), second(rng, 90, 20))
        rail.update(pair)
        restored.update(pair)
    assert rail.conclude(RULE) == restored.conclude(RULE)
    assert rail.snapshot() == restored.snapshot()
