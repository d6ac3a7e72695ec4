"""Evidence of looks that never change: a log that is replayed by a later version gives the verdicts that it gave.

Who changes a figure here changes what releases in progress have been told.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from trimtab.engine.sequential.budget import BudgetTest, ln_odds_above, most_per_breach
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.conclusion import Side
from trimtab.engine.sequential.latency import LatencyTest
from trimtab.engine.sequential.look import Routed, Share, SharePair, SlowPair, Sums, SumsPair
from trimtab.engine.sequential.mean import DifferenceTest, Harm, MeanTest
from trimtab.engine.sequential.sample_ratio import SampleRatioTest
from trimtab.engine.sequential.succession import SuccessionTest

SECONDS = range(90)


def worse(second: int) -> int:
    """After 60 seconds all gets worse."""
    return second % 3 + 2 * (second >= 60)


def share(second: int) -> Share:
    return Share(100 + second % 7, worse(second))


def large_share(second: int) -> Share:
    return Share(20 + second % 7, 5 + 2 * worse(second))


def pair(second: int) -> SharePair:
    return SharePair(100 + second % 7, worse(second), 400 + second % 11, 4 + second % 2)


def large_pair(second: int) -> SharePair:
    return SharePair(1_000 + second % 7, 10 * worse(second), 4_000 + second % 11, 40 + second % 2)


def slow(second: int) -> SlowPair:
    return SlowPair(40 + second % 7, (20 + worse(second), 4 + worse(second), worse(second) // 2), 90, (45, 9, 1))


def routed(second: int) -> Routed:
    return Routed((7_000, 3_000), (70 + second % 5, 30 - worse(second)))


def routed_to_three(second: int) -> Routed:
    return Routed((5_000, 3_000, 2_000), (50 + second % 5, 30 - worse(second), 20))


def sums(second: int) -> Sums:
    values = [1.0 + 0.5 * (at % 3) + 0.2 * worse(second) for at in range(20)]
    return Sums(len(values), sum(values), sum(value**2 for value in values))


def sums_pair(second: int) -> SumsPair:
    return SumsPair(sums(second), Sums(40, 68.0, 125.0 + second % 3))


def value(second: int) -> float:
    return 0.5 + 0.1 * worse(second) + 0.05 * (second % 7)


KNOWN: Sequence[tuple[str, Callable[[], Any], Callable[[int], Any], float, float]] = [
    ("budget", lambda: BudgetTest(0.02), share, -1.95048625444, 0.0161864681127),
    ("large budget", lambda: BudgetTest(0.3), large_share, 37.8490200815, 0.362844702467),
    ("room in a budget", lambda: BudgetTest(0.04, side=Side.BENEFIT), share, 84.7988107194, 0.0161864681127),
    ("little room in a budget", lambda: BudgetTest(0.02, side=Side.BENEFIT), share, 1.92520163032, 0.0161864681127),
    ("comparison", lambda: ComparisonTest(1.1), pair, 9.17402648753, 1.463754739),
    ("comparison of many", lambda: ComparisonTest(1.1), large_pair, 216.898558898, 1.65408113566),
    ("not inferior", lambda: ComparisonTest(2.0, side=Side.BENEFIT), pair, 3.84277277217, 1.463754739),
    ("either way", lambda: ComparisonTest(side=Side.BOTH), pair, 11.9403931482, 1.463754739),
    ("latency", lambda: LatencyTest(1.1), slow, 3.58024476045, 1.40258793647),
    ("two arms", lambda: SampleRatioTest(2), routed, 4.17287517526, 0.94130675526),
    ("three arms", lambda: SampleRatioTest(3), routed_to_three, 3.45108567314, 0.94130675526),
    ("mean", lambda: MeanTest(1.8, harm=Harm.ABOVE, from_count=100), sums, 40.1522400421, 1.80833333333),
    (
        "mean, other way",
        lambda: MeanTest(1.8, harm=Harm.BELOW, side=Side.BENEFIT, from_count=100),
        sums,
        40.1522400421,
        1.80833333333,
    ),
    (
        "mean, either way",
        lambda: MeanTest(1.8, harm=Harm.ABOVE, side=Side.BOTH, from_count=100),
        sums,
        39.4590928615,
        1.80833333333,
    ),
    (
        "difference",
        lambda: DifferenceTest(harm=Harm.ABOVE, margin=0.1, ratio=1.05, from_count=100),
        sums_pair,
        10.6776410778,
        0.0282046263956,
    ),
    (
        "difference below",
        lambda: DifferenceTest(harm=Harm.BELOW, ratio=1.2, side=Side.BENEFIT, from_count=100),
        sums_pair,
        -2.32096003863,
        -0.226191003668,
    ),
    ("succession", lambda: SuccessionTest(0.75, harm=Harm.ABOVE), value, 5.69943245215, 0.815),
    ("succession below", lambda: SuccessionTest(0.9, harm=Harm.BELOW), value, -0.635517648467, 0.815),
]
"""name, test, look of a second, ln E and value after all of them"""


@pytest.mark.parametrize(("make", "look", "ln_evidence", "estimate"), [one[1:] for one in KNOWN],
                         ids=[one[0] for one in KNOWN])  # fmt: skip
def test_known_looks_give_known_evidence(
    make: Callable[[], Any], look: Callable[[int], Any], ln_evidence: float, estimate: float
) -> None:
    test = make()
    for second in SECONDS:
        test.update(look(second))
    assert (test.evidence(), test.estimate().value) == pytest.approx((ln_evidence, estimate), rel=1e-9)


def test_a_breach_adds_at_most_what_the_steepest_tilt_makes_of_it() -> None:
    assert most_per_breach(0.02) == pytest.approx(3.2188758249, rel=1e-9)


@pytest.mark.parametrize(("allowed", "tilts"), [(0.02, 5), (0.5, 3), (0.9, 3)])
def test_tilts_of_a_budget_go_from_half_of_all_down_to_the_finest(allowed: float, tilts: int) -> None:
    known = ln_odds_above(allowed)
    assert known[0] == max(1.6, math.log((1 - allowed) / allowed))
    assert known == [known[0] / 2**place for place in range(tilts)]
