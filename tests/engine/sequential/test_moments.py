"""Mean and variance from sums, and the width of a confidence sequence."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.sequential.look import NO_VALUES, Sums
from trimtab.engine.sequential.moments import Moments, half_width

VALUES = st.lists(st.floats(-1_000, 1_000), min_size=1, max_size=20)


def sums_of(values: list[float]) -> Sums:
    return Sums(len(values), math.fsum(values), math.fsum(value * value for value in values))


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_agrees_with_numpy_however_values_come_in_looks(looks: list[list[float]]) -> None:
    moments = Moments()
    for values in looks:
        moments.update(sums_of(values))
    together = np.concatenate(looks)
    assert moments.count == len(together)
    assert moments.mean == pytest.approx(together.mean(), abs=1e-9)
    assert moments.variance == pytest.approx(together.var(ddof=1) if len(together) > 1 else 0, rel=1e-6, abs=1e-6)


def test_two_values_have_a_variance_and_one_has_none() -> None:
    moments = Moments()
    moments.update(Sums(1, 1.0, 1.0))
    assert moments.variance == 0.0
    moments.update(Sums(1, 3.0, 9.0))
    assert moments.variance == 2.0


def test_looks_without_values_change_nothing() -> None:
    moments = Moments()
    moments.update(NO_VALUES)
    assert (moments.count, moments.mean, moments.variance) == (0, 0, 0)


def test_rounding_never_makes_a_variance_negative() -> None:
    moments = Moments()
    for _ in range(100):
        moments.update(Sums(3, 0.3, 0.03 - 1e-15))
    assert moments.variance == pytest.approx(0, abs=1e-12)


def test_the_width_is_that_of_the_paper() -> None:
    """Equation 3 of Waudby-Smith et al. with n = 500, rho tuned to n = 1000, alpha = 0.05, written out."""
    rho = math.sqrt((-2 * math.log(0.05) + math.log(-2 * math.log(0.05) + 1)) / 1_000)
    root = math.sqrt(2 * (500 * rho**2 + 1) / (500**2 * rho**2) * math.log(math.sqrt(500 * rho**2 + 1) / 0.05))
    assert half_width(500, 1_000, 0.05) == pytest.approx(root)


def test_the_width_is_least_about_where_it_is_tuned() -> None:
    at_tuned = half_width(1_000, 1_000, 0.05)
    assert at_tuned < min(half_width(1_000, 100, 0.05), half_width(1_000, 10_000, 0.05))
    assert at_tuned < half_width(900, 1_000, 0.05)


def test_without_information_everything_is_possible() -> None:
    assert half_width(0, 1_000, 0.05) == math.inf
    assert half_width(0.5, 1_000, 0.05) < math.inf
