"""The weights of segments: strata of traffic that a policy gives shares of their own.

* A segment that has weights of its own keeps to every limit as the whole does, from where it was: its own weights, or
  those of the whole where it had none.
* Whoever gives a target for the whole alone gives it for every segment. A segment whose weights are those of the whole
  again has none of its own any more.
* A variant that may not take traffic loses it in every segment at once.
"""

from collections.abc import Callable, Mapping, Sequence

from trimtab.engine.allocation import withdraw
from trimtab.engine.strategy.situation import Move

Weights = dict[str, list[int]]
"""segment -> basis points of each variant, in the order of the release file"""
Allocate = Callable[[Sequence[float], Sequence[int]], Sequence[int]]
"""Gives the weights that limits allow, from a target and the present ones"""


def settled(held: Weights, move: Move, before: Sequence[int], now: Sequence[int], allocate: Allocate) -> Weights:
    """Gives the weights of segments after a move; `before` and `now` are those of the whole.

    >>> move = Move((9_000.0, 1_000.0), "", segments={"mobile": (4_000.0, 6_000.0)})
    >>> settled({}, move, [10_000, 0], [9_000, 1_000], lambda target, _: [int(share) for share in target])
    {'mobile': [4000, 6000]}
    """
    after = Weights()
    if not held and not move.segments:  # as in most releases
        return after
    for segment in sorted({*held, *move.segments}):
        weights = list(allocate(move.segments.get(segment, move.target), held.get(segment, before)))
        if segment in move.segments or weights != list(now):
            after[segment] = weights
    return after


def withdrawn(held: Weights, eligible: Sequence[bool], baseline: int) -> Weights:
    """Gives the weights of segments after whoever may not take traffic has lost it to the baseline."""
    return {segment: list(withdraw(weights, eligible, baseline)) for segment, weights in held.items()}


def carried(held: Weights, names: Sequence[str], to: Sequence[str], baseline: str) -> Weights:
    """Gives the weights of segments where the variants `names` are followed by those of `to`.

    >>> carried({"mobile": [4_000, 6_000]}, ["v1", "v2"], ["v1", "v3"], "v1")
    {'mobile': [10000, 0]}
    """
    return {
        segment: carried_over(dict(zip(names, weights, strict=True)), to, baseline) for segment, weights in held.items()
    }


def carried_over(before: Mapping[str, int], to: Sequence[str], baseline: str) -> list[int]:
    """Gives weights where the variants of `before` are followed by those of `to`: what is gone goes to `baseline`."""
    weights = [before.get(name, 0) for name in to]
    weights[to.index(baseline)] += sum(before.values()) - sum(weights)
    return weights
