"""A value a second against a limit: asymptotic, so what holds is what is measured here."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from trimtab.engine.sequential.mean import Harm
from trimtab.engine.sequential.succession import FROM_SECONDS, SuccessionTest

Floats = npt.NDArray[np.float64]


def alike(rng: np.random.Generator, count: int, correlation: float) -> Floats:
    """Values each of which is like the one before."""
    news, values = rng.normal(0, 1, count), np.zeros(count)
    for second in range(1, count):
        values[second] = correlation * values[second - 1] + news[second]
    return values


DRAWS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, count: rng.normal(0, 1, count),
    "exponential": lambda rng, count: rng.exponential(1, count) - 1,
    "lognormal": lambda rng, count: rng.lognormal(-0.5, 1.0, count) - 1,
    "a rare fault": lambda rng, count: np.where(rng.random(count) < 0.05, 0.95, -0.05),
    "a share": lambda rng, count: rng.beta(8, 2, count) - 0.8,
    "alike": lambda rng, count: alike(rng, count, 0.5),
    "much alike": lambda rng, count: alike(rng, count, 0.8),
}
"""All have mean 0."""


def seconds_until(test: SuccessionTest, values: Floats, alpha: float) -> float:
    for second, value in enumerate(values.tolist(), 1):
        test.update(value)
        if test.evidence() >= -math.log(alpha):
            return second
    return math.inf


@pytest.mark.slow
@pytest.mark.parametrize("harm", Harm)
@pytest.mark.parametrize("draw", DRAWS)
def test_what_is_on_its_limit_hardly_ever_alarms(draw: str, harm: Harm) -> None:
    """150 quarters of an hour. At an alpha of 5 % more than 14 of them have a chance below 1 %."""
    rng = np.random.default_rng(3)
    alarms = [seconds_until(SuccessionTest(0.0, harm=harm), DRAWS[draw](rng, 900), 0.05) for _ in range(150)]
    assert sum(second < math.inf for second in alarms) <= 14


@pytest.mark.parametrize(("shift", "most_s"), [(3.0, 75), (1.0, 110), (0.5, 220)])
def test_what_is_beyond_its_limit_is_found_soon_after_the_first_minute(shift: float, most_s: int) -> None:
    rng = np.random.default_rng(4)
    for harm in Harm:
        values = [harm * shift + DRAWS["normal"](rng, 600) for _ in range(20)]
        found = [seconds_until(SuccessionTest(0.0, harm=harm), each, 0.005) for each in values]
        assert FROM_SECONDS < float(np.median(found)) <= most_s


def test_the_other_side_of_a_limit_does_no_harm() -> None:
    values = DRAWS["normal"](np.random.default_rng(5), 600)
    assert seconds_until(SuccessionTest(0.5, harm=Harm.ABOVE), values, 0.05) == math.inf
    assert seconds_until(SuccessionTest(-0.5, harm=Harm.BELOW), values, 0.05) == math.inf


def test_seconds_that_are_alike_count_for_less() -> None:
    rng = np.random.default_rng(6)
    tests = [SuccessionTest(0.0, harm=Harm.ABOVE) for _ in range(3)]
    for test, values in zip(
        tests, (alike(rng, 2_000, 0.0), alike(rng, 2_000, 0.6), alike(rng, 2_000, -0.6)), strict=True
    ):
        for value in values.tolist():
            test.update(value)
    assert [round(test.correlation, 1) for test in tests] == [0.0, 0.6, 0.0]
    assert SuccessionTest(0.0, harm=Harm.ABOVE).correlation == 0.0


def test_digits_are_not_lost_to_a_level_far_from_zero() -> None:
    test = SuccessionTest(1e9 + 1.0, harm=Harm.ABOVE)
    for value in (1e9 + DRAWS["normal"](np.random.default_rng(7), 300)).tolist():
        test.update(value)
    assert test.estimate().value == pytest.approx(1e9, abs=0.2)
    assert test.correlation < 0.2


def test_values_that_are_all_alike_are_no_evidence() -> None:
    test = SuccessionTest(0.0, harm=Harm.ABOVE)
    for _ in range(200):
        test.update(5.0)
    assert (test.evidence(), test.estimate().is_within, test.correlation) == (0.0, False, 0.0)


def fed(values: Floats, harm: Harm = Harm.ABOVE, limit: float = 0.0) -> SuccessionTest:
    test = SuccessionTest(limit, harm=harm)
    for value in values.tolist():
        test.update(value)
    return test


@pytest.mark.parametrize("seconds", [FROM_SECONDS - 1, FROM_SECONDS, 2 * FROM_SECONDS])
def test_to_peek_is_to_update_without_a_trace(seconds: int) -> None:
    test = fed(3.0 + DRAWS["exponential"](np.random.default_rng(8), seconds), limit=2.9)
    peeked, estimate, before = test.evidence(5.0), test.estimate(5.0), test.evidence()
    assert test.evidence() == before
    assert (peeked != before) is (seconds >= FROM_SECONDS)
    test.update(5.0)
    assert test.evidence() == peeked
    assert (test.estimate().n, test.estimate().value) == (estimate.n, pytest.approx(estimate.value))


def test_a_snapshot_continues_after_the_first_minute() -> None:
    values = 3.0 + DRAWS["alike"](np.random.default_rng(9), 3 * FROM_SECONDS)
    test, restored = fed(values), SuccessionTest(0.0, harm=Harm.ABOVE)
    restored.restore(test.snapshot())
    assert restored.evidence() == test.evidence() != 0.0
    for one in (test, restored):
        one.update(2.5)
    assert restored.evidence() == test.evidence()


@pytest.mark.parametrize(
    ("harm", "limit", "is_within"),
    [(Harm.ABOVE, 2.0, True), (Harm.ABOVE, 1.5, False), (Harm.ABOVE, 2.5, True), (Harm.ABOVE, -3.0, False),
     (Harm.BELOW, 2.0, True), (Harm.BELOW, 2.5, False), (Harm.BELOW, 1.5, True)],
)  # fmt: skip
def test_a_mean_on_its_limit_keeps_it(harm: Harm, limit: float, *, is_within: bool) -> None:
    assert fed(np.array([1.0, 2.0, 3.0]), harm, limit).estimate().is_within is is_within


def test_seconds_that_are_as_alike_as_can_be_still_count_for_something() -> None:
    assert fed(np.repeat([0.0, 1.0], 400)).correlation == 0.99
