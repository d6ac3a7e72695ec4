from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.experiment.sample import Moments, Share

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)


def moments_of(values: list[float]) -> Moments:
    array = np.array(values)
    return Moments(len(values), float(array.sum()), float((array * array).sum()))


@given(VALUES)
def test_sums_give_mean_and_variance_of_the_values(values: list[float]) -> None:
    arm = moments_of(values)
    assert arm.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert arm.variance == pytest.approx(np.var(values, ddof=1), abs=1e-6)


@given(VALUES, VALUES)
def test_sums_of_parts_add_up(first: list[float], second: list[float]) -> None:
    together = moments_of(first) + moments_of(second)
    assert together.trials == len(first) + len(second)
    assert together.mean == pytest.approx(np.mean(first + second), abs=1e-9)


@pytest.mark.parametrize("arm", [Share(0, 0), Moments(0, 0.0, 0.0)])
def test_without_trials_there_is_no_mean(arm: Share | Moments) -> None:
    assert isnan(arm.mean)


@pytest.mark.parametrize("trials", [0, 1])
def test_the_variance_of_fewer_than_two_values_is_infinite(trials: int) -> None:
    assert Moments(trials, float(trials), float(trials)).variance == inf


@pytest.mark.parametrize(("trials", "successes"), [(1_000, 0), (1_000, 1_000), (1, 0)])
def test_a_share_never_seen_to_vary_still_has_a_variance(trials: int, successes: int) -> None:
    assert Share(trials, successes).variance > 0


def test_the_variance_of_a_share_is_that_of_a_bernoulli_trial_in_large_samples() -> None:
    assert Share(1_000_000, 200_000).variance == pytest.approx(0.16, rel=1e-4)


@pytest.mark.parametrize(("trials", "successes"), [(10, 11), (10, -1), (-1, 0)])
def test_impossible_shares_are_refused(trials: int, successes: int) -> None:
    with pytest.raises(ValueError, match=f"successes: expected 0 to {trials} \\(trials\\), got {successes}"):
        Share(trials, successes)


@pytest.mark.parametrize("sums", [(-1, 0.0, 0.0), (1, inf, 1.0), (1, 1.0, inf), (1, float("nan"), 1.0), (1, 0.0, -1.0)])
def test_impossible_sums_are_refused(sums: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="expected finite sums of at least 0 trials, got Moments"):
        Moments(*sums)
