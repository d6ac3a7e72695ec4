"""One of each kind of test, with looks on the edge of its null or within: what holds for all of them is said once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trimtab.engine.sequential.budget import BudgetTest
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.conclusion import Side
from trimtab.engine.sequential.latency import LatencyTest
from trimtab.engine.sequential.look import NO_VALUES, Routed, Share, SharePair, SlowPair, Sums, SumsPair
from trimtab.engine.sequential.mean import DifferenceTest, Harm, MeanTest
from trimtab.engine.sequential.sample_ratio import SampleRatioTest
from trimtab.engine.sequential.succession import SuccessionTest

BILLION = 10**9


@dataclass(frozen=True)
class Kind:
    """`draw` gives a look of a harmless release; `empty` are those that tell nothing."""

    name: str
    make: Callable[[], Any]
    draw: Callable[[np.random.Generator], Any]
    empty: tuple[Any, ...]
    extreme: tuple[Any, ...]

    def looks(self, count: int, seed: int = 1) -> Iterator[Any]:
        rng = np.random.default_rng(seed)
        return (self.draw(rng) for _ in range(count))

    def fed(self, count: int, seed: int = 1) -> Any:
        test = self.make()
        for look in self.looks(count, seed):
            test.update(look)
        return test


def share(rng: np.random.Generator) -> Share:
    n = int(rng.poisson(100))
    return Share(n, int(rng.binomial(n, 0.02)))


def pair(rng: np.random.Generator) -> SharePair:
    ours, theirs = share(rng), share(rng)
    return SharePair(*ours, *theirs)


def slow(rng: np.random.Generator) -> SlowPair:
    arms = [(int(n), [int(count) for count in rng.binomial(n, [0.5, 0.1, 0.01])]) for n in rng.poisson([30, 100])]
    return SlowPair(*arms[0], *arms[1])


def routed(rng: np.random.Generator, arms: int) -> Routed:
    weights = rng.multinomial(10_000, np.full(arms, 1 / arms))
    return Routed(weights.tolist(), rng.multinomial(500, weights / 10_000).tolist())


def sums(rng: np.random.Generator) -> Sums:
    values = rng.exponential(1.0, int(rng.poisson(50)) + 1)
    return Sums(len(values), float(values.sum()), float((values**2).sum()))


def sums_pair(rng: np.random.Generator) -> SumsPair:
    return SumsPair(sums(rng), sums(rng))


PAIR_EXTREMES = (SharePair(BILLION, BILLION, BILLION, 0), SharePair(1, 1, BILLION, 0), SharePair(BILLION, 0, 1, 1))
SLOW_EXTREMES = (SlowPair(BILLION, (BILLION,) * 3, BILLION, (0,) * 3), SlowPair(1, (1, 1, 0), BILLION, (BILLION, 0, 0)))
SUM_EXTREME = Sums(BILLION, 1e15, 1e21)
ONE = Sums(1, 1.0, 1.0)


def comparison(side: Side) -> Kind:
    empty = SharePair(0, 0, 5, 5), SharePair(5, 5, 0, 0)
    return Kind(f"comparison, {side.value}", lambda: ComparisonTest(side=side), pair, empty, PAIR_EXTREMES)


KINDS = [
    Kind("budget", lambda: BudgetTest(0.02), share, (Share(0, 0),), (Share(BILLION, BILLION), Share(BILLION, 0))),
    Kind("room in a budget", lambda: BudgetTest(0.02, side=Side.BENEFIT), share, (Share(0, 0),),
         (Share(BILLION, BILLION), Share(BILLION, 0))),
    *[comparison(side) for side in Side],
    Kind("latency", lambda: LatencyTest(1.1), slow,
         (SlowPair(0, (0, 0, 0), 5, (5, 5, 5)), SlowPair(5, (5, 0, 0), 0, (0,) * 3)), SLOW_EXTREMES),
    Kind("two arms", lambda: SampleRatioTest(2), lambda rng: routed(rng, 2),
         (Routed((10_000, 0), (50, 0)), Routed((5_000, 5_000), (0, 0)), Routed((0, 0), (0, 0))),
         (Routed((9_999, 1), (0, BILLION)), Routed((1, 9_999), (BILLION, BILLION)))),
    Kind("four arms", lambda: SampleRatioTest(4), lambda rng: routed(rng, 4),
         (Routed((0, 10_000, 0, 0), (0, 50, 0, 0)), Routed((2_500,) * 4, (0,) * 4)),
         (Routed((9_997, 1, 1, 1), (0, BILLION, 0, 0)), Routed((0, 1, 9_999, 0), (0, BILLION, BILLION, 0)))),
    Kind("mean", lambda: MeanTest(1.1, harm=Harm.ABOVE, from_count=50), sums, (NO_VALUES,),
         (SUM_EXTREME, Sums(1, -1e15, 1e30))),
    Kind("succession", lambda: SuccessionTest(1.0, harm=Harm.ABOVE), lambda rng: float(rng.exponential(1.0)), (None,),
         (1e15, -1e15, 0.0)),
    Kind("difference", lambda: DifferenceTest(harm=Harm.BELOW, margin=0.1, from_count=50), sums_pair,
         (SumsPair(NO_VALUES, ONE), SumsPair(ONE, NO_VALUES), SumsPair(NO_VALUES, NO_VALUES)),
         (SumsPair(SUM_EXTREME, ONE), SumsPair(ONE, SUM_EXTREME), SumsPair(SUM_EXTREME, SUM_EXTREME))),
]  # fmt: skip
