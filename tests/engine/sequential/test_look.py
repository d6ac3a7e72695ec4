"""Looks: what there is to compare in them."""

import pytest

from trimtab.engine.sequential.look import NO_VALUES, SharePair, SlowPair, Sums


@pytest.mark.parametrize(
    ("candidate", "baseline", "has_both"), [(1, 1, True), (0, 1, False), (1, 0, False), (0, 0, False)]
)
def test_two_arms_are_compared_as_soon_as_both_have_a_response(
    candidate: int, baseline: int, *, has_both: bool
) -> None:
    assert SharePair(candidate, 0, baseline, 0).has_both is has_both


def test_slower_responses_are_compared_limit_by_limit() -> None:
    look = SlowPair(10, (5, 2, 0), 90, (45, 9, 1))
    assert look.pairs() == [SharePair(10, 5, 90, 45), SharePair(10, 2, 90, 9), SharePair(10, 0, 90, 1)]


def test_values_have_a_mean_and_no_values_add_nothing() -> None:
    assert Sums(4, 10.0, 30.0).mean == 2.5
    assert tuple(NO_VALUES) == (0, 0.0, 0.0)
