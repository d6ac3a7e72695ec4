"""Hedge: weights for members that all answer every request. Those of a member fall exponentially with what it has lost.

All members are seen in every round (full information), so nothing is explored, and no propensity is divided by. A
round is a batch; a member's loss in it is by how much it earned less than the best. Only differences matter, so
rewards may have any size and sign.

* The rate is that of AdaHedge, ln K / (gap + range): the gap is what weights lost beyond the mix loss so far, the range
  the greatest difference between members in one round. It needs no tuning, does not know how long the release will
  live, and is the same whatever the scale of rewards: members that are alike go on sharing, a better one is told soon.
* What was is discounted: losses, gap and range by exp(-n / memory) a round. That is AdaHedge on losses that grow by as
  much each round, so its bound holds for the discounted regret as it stands.
* After each round weights are mixed with even ones (`SHARE`): a member that was bad for long has to make up for
  ln(K / SHARE) over the rate, not for all that it ever lost.
* A member that has fewer trials than others (a time-out, a label on its way) is taken to have lost in the rest what the
  weights lost: it comes out neither better nor worse. Failing to answer is for guardrails to judge.
* A member without any trials, as one that is out, has no say in gap and range of that round.

Regret against any one member, undiscounted, is at most `2 gap + range + rounds SHARE (gap + range) / ln K`, and the gap
at most sqrt(T ln K) range / 2 + range (2/3 ln K + 1) over T rounds.

Sources: Freund and Schapire, A decision-theoretic generalization of on-line learning (1997); de Rooij, van Erven,
Grünwald and Koolen, Follow the leader if you can, hedge if you must (JMLR 2014), for the rate; Cesa-Bianchi and Lugosi,
Prediction, learning, and games (2006), section 2.11, for discounted regret; Herbster and Warmuth, Tracking the best
expert (1998), and Cesa-Bianchi, Gaillard, Lugosi and Stoltz, Mirror descent meets fixed share (2012), for the mixing;
Freund, Schapire, Singer and Warmuth, Using and combining predictors that specialize (1997), for absent members.
"""

import math
from collections.abc import Sequence
from itertools import compress
from typing import Final

from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import evenly, in_proportion

SHARE: Final = 1e-3
"""Of the weights, dealt out evenly after each round: far below what a floor gives."""
_NOISE: Final = 1e-9
"""Of what was earned in a round: differences below that come from rounding and mean nothing."""


class Hedge:
    """Weights that follow what all members have earned on the same requests.

    >>> policy = Hedge(2, memory=10_000)
    >>> policy.shares([True, True], 0, 1)
    [0.5, 0.5]
    >>> for _ in range(20):
    ...     policy.update(Batch([100, 100], [97, 90], [97, 90], [0.5, 0.5]))
    >>> [round(share, 3) for share in policy.shares([True, True], 0, 1)]
    [0.998, 0.002]
    """

    __slots__ = ("_gap", "_losses", "_memory", "_range")

    def __init__(self, members: int, *, memory: float) -> None:
        """`memory`: trials of each member after which a trial counts 1/e."""
        self._memory = memory
        self._losses = [0.0] * members
        self._gap = self._range = 0.0

    def update(self, batch: Batch) -> None:
        """Takes a round."""
        trials, tried = max(batch.trials), [n > 0.0 for n in batch.trials]
        if not any(tried):
            return
        kept = math.exp(-trials / self._memory)
        before = [kept * loss for loss in self._losses]
        self._gap, self._range = kept * self._gap, kept * self._range
        weights = self._weights(before, tried)
        lost = _lost(batch, weights, trials)
        self._gap += self._gap_of(list(compress(lost, tried)), list(compress(weights, tried)))
        self._range = max(self._range, *compress(lost, tried))
        self._losses = self._shared([loss + more for loss, more in zip(before, lost, strict=True)])

    def _weights(self, losses: Sequence[float], eligible: Sequence[bool]) -> list[float]:
        """Gives the weights of the members that may have some; even ones while nothing has told members apart."""
        rate = self._rate
        if rate == math.inf:
            return evenly(eligible)
        return in_proportion([math.exp(-rate * loss) for loss in losses], eligible)

    @property
    def _rate(self) -> float:
        so_far = self._gap + self._range
        return math.log(len(self._losses)) / so_far if so_far > 0.0 else math.inf

    def _gap_of(self, lost: Sequence[float], weights: Sequence[float]) -> float:
        """Gives what weights lost beyond the mix loss; without a rate that is what the best has lost, nothing."""
        rate, mean = self._rate, math.fsum(share * loss for share, loss in zip(weights, lost, strict=True))
        if rate == math.inf:
            return mean
        mix = math.fsum(share * math.exp(-rate * loss) for share, loss in zip(weights, lost, strict=True))
        return max(0.0, mean + math.log(mix) / rate)

    def _shared(self, losses: Sequence[float]) -> list[float]:
        """Gives the losses at which weights are those of `losses` mixed with even ones."""
        rate, members = self._rate, len(losses)
        if rate == math.inf:
            return list(losses)
        weights = self._weights(losses, [True] * members)
        return [-math.log((1.0 - SHARE) * share + SHARE / members) / rate for share in weights]

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives the weights in proportion to exp(-rate x loss)."""
        return self._weights(self._losses, eligible)

    def account(self, members: Sequence[str]) -> str:
        """Gives the arithmetic of the shares in words, so that a person can check it; `members`: their names."""
        if self._rate == math.inf:
            return "Hedge: nothing has told the members apart yet"
        least = min(self._losses)
        lost = ", ".join(f"{name} {loss - least:.6g}" for name, loss in zip(members, self._losses, strict=True))
        return f"Hedge: before limits a weight is in proportion to exp(-{self._rate:.6g} x lost), lost: {lost}"

    def snapshot(self) -> Snapshot:
        """Gives losses, gap and range."""
        return {"losses": [*self._losses], "gap": self._gap, "range": self._range}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._losses = [float(loss) for loss in snapshot["losses"]]
        self._gap, self._range = float(snapshot["gap"]), float(snapshot["range"])


def _lost(batch: Batch, weights: Sequence[float], trials: float) -> list[float]:
    """Gives what each member lost in a round beyond the best; where it was not tried, what `weights` of others lost.

    The best is one that was tried.
    """
    members = list(zip(batch.trials, batch.rewards, weights, strict=True))
    mean = math.fsum(share * own / n for n, own, share in members if n > 0.0)
    gained = [own + (trials - n) * mean for n, own, _ in members]
    most = max(gained)
    return [0.0 if math.isclose(one, most, rel_tol=_NOISE) else most - one for one in gained]
