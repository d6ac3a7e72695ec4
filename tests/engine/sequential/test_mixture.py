"""The mixture over tilts and starts, against the sums that it stands for."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.engine.errors import EngineError
from trimtab.engine.sequential.mixture import Mixture
from trimtab.engine.sequential.starts import FIRST, ONLY_FIRST, ln_left, ln_start

STEPS = st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), max_size=8)


def fed(steps: list[list[float]], first: float = FIRST) -> Mixture:
    mixture = Mixture(3, first)
    for of_look in steps:
        mixture.update(np.array(of_look))
    return mixture


def by_definition(steps: list[list[float]], first: float) -> float:
    """ln of the sum over starts and tilts of weight times product of all likelihood ratios from the start on."""
    total = math.exp(ln_left(len(steps), first))
    for start in range(len(steps)):
        weight = math.exp(ln_start(start + 1, first))
        total += weight * sum(math.exp(math.fsum(column)) for column in zip(*steps[start:], strict=True)) / 3
    return math.log(total)


@settings(max_examples=200)
@given(STEPS, st.sampled_from([FIRST, ONLY_FIRST, 0.3]))
def test_evidence_is_the_mean_over_tilts_of_the_sum_over_starts(steps: list[list[float]], first: float) -> None:
    assert fed(steps, first).evidence() == pytest.approx(by_definition(steps, first), rel=1e-9, abs=1e-9)


@given(STEPS, st.lists(st.floats(-30, 30), min_size=3, max_size=3))
def test_to_peek_is_to_update_without_a_trace(steps: list[list[float]], peek: list[float]) -> None:
    mixture, updated = fed(steps), fed([*steps, peek])
    before = mixture.snapshot()
    assert mixture.evidence(np.array(peek)) == updated.evidence()
    assert mixture.snapshot() == before


def test_before_the_first_look_there_is_no_evidence() -> None:
    assert Mixture(5).evidence() == 0


@pytest.mark.parametrize("first", [FIRST, ONLY_FIRST])
def test_evidence_is_a_martingale_where_likelihood_ratios_have_mean_one(first: float) -> None:
    """All sequences of six fair coins; the tilts bet 3 : 1, 1 : 3 and 2 : 1 on heads."""
    bets = np.log([[1.5, 0.5, 4 / 3], [0.5, 1.5, 2 / 3]])
    for looks in range(1, 7):
        evidences = [
            math.exp(fed([bets[coin].tolist() for coin in coins], first).evidence())
            for coins in product((0, 1), repeat=looks)
        ]
        assert math.fsum(evidences) / 2**looks == pytest.approx(1, abs=1e-12)


def test_a_fall_after_a_good_past_shows_with_starts_and_is_diluted_without() -> None:
    good, bad = [[-0.1] * 3] * 3_600, [[0.5] * 3] * 40
    assert fed(good + bad).evidence() > 8
    assert fed(good + bad, ONLY_FIRST).evidence() < -300


def test_tilts_that_are_worlds_apart_stay_finite() -> None:
    apart = Mixture(2, ONLY_FIRST)
    apart.update(np.array([-2_000.0, 2_000.0]))
    assert apart.evidence() == pytest.approx(2_000 - math.log(2))


def test_masses_that_are_moved_into_a_table_go_on_there() -> None:
    alone, moved, table, starts = fed([[1.0, 2.0, 3.0]]), fed([[1.0, 2.0, 3.0]]), np.zeros((2, 3)), np.zeros((2, 3))
    moved.move_into(table[1], starts[1])
    assert starts.tolist() == [[0.0] * 3, [*alone.next_look, alone.ln_left]]
    assert moved.snapshot() == alone.snapshot()
    for mixture in (alone, moved):
        mixture.update(np.array([0.5, -0.5, 1.5]))
    assert moved.evidence() == alone.evidence()
    assert table.tolist() == [[0.0] * 3, alone.snapshot()["masses"]]
    assert starts.tolist() == [[0.0] * 3, [*alone.next_look, alone.ln_left]]
    moved.restore(Mixture(3).snapshot())
    assert starts[1].tolist() == [*Mixture(3).next_look, Mixture(3).ln_left]


def test_a_snapshot_of_other_tilts_is_refused() -> None:
    with pytest.raises(EngineError, match="expected 2 tilts in the snapshot, got 3"):
        Mixture(2).restore(Mixture(3).snapshot())
