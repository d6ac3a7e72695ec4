"""Weights of the looks at which a fall may begin."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.sequential.starts import FIRST, NOTHING, ONLY_FIRST, ln_left, ln_start


@given(st.integers(0, 5_000), st.floats(0.01, 0.99))
def test_weights_up_to_a_look_and_what_is_left_sum_to_one(looks: int, first: float) -> None:
    given_out = math.fsum(math.exp(ln_start(look, first)) for look in range(1, looks + 1))
    assert given_out + math.exp(ln_left(looks, first)) == pytest.approx(1, abs=1e-12)


def test_a_look_after_a_year_still_has_a_weight() -> None:
    year = 365 * 86_400
    assert -30 < ln_start(year, FIRST) < ln_start(year - 1, FIRST) < 0
    assert 0 < math.exp(ln_left(year, FIRST)) < math.exp(ln_left(86_400, FIRST))


def test_the_first_look_can_have_it_all() -> None:
    assert ln_start(1, ONLY_FIRST) == 0
    assert ln_left(0, ONLY_FIRST) == 0
    assert ln_start(2, ONLY_FIRST) == ln_left(1, ONLY_FIRST) == NOTHING


@pytest.mark.parametrize(("look", "nats"), [(3_600, 12.2), (86_400, 16.75)])
def test_a_late_start_costs_as_much_as_is_said(look: int, nats: float) -> None:
    assert ln_start(1, FIRST) - ln_start(look, FIRST) == pytest.approx(nats, abs=0.1)
