"""When an arm may be declared the best: at any moment, as often as one likes to look.

P(best) >= 0.95, looked at after each batch, is wrong more often than once in twenty. What is held against a leader i
and each other arm j is an e-process for the hypothesis that j is at least as good:

    E_ij = integral of L_i(p) L_j(q) over p, q in [0, 1]  /  greatest L_i(p) L_j(q) over p <= q

L_k(p) = p^rewards (1-p)^(trials - rewards). The numerator over the true likelihood is a martingale under any rule that
routes traffic by the past alone, the denominator is at least the true likelihood, so Ville's inequality bounds the
chance that E_ij ever reaches 1/a by a, whatever the policy did and whenever one looks. For rewards between 0 and 1 it
is a supermartingale, since the exponential of a reward is at most what a Bernoulli reward of the same mean has.
A wrong leader i must win against the best arm; there are K - 1 wrong ones, so each pair gets alpha / (K - 1).
It rests on counts in which nothing is discounted, and on trials that are independent and arms that stay as they are.

Source: Wasserman, Ramdas and Balakrishnan, Universal inference (2020), section 8, for the e-process; Kaufmann and
Koolen, Mixture martingales revisited (2021), for the union over wrong leaders.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import betaln, xlogy


@dataclass(frozen=True, slots=True)
class Declaration:
    """What may be said of the arm with the greatest mean.

    >>> declare([1000, 1000], [100, 180], [True, True], alpha=0.05).is_declared
    True
    >>> declare([1000, 1000], [100, 120], [True, True], alpha=0.05).is_declared
    False
    """

    leader: int
    """the arm with the greatest mean so far"""
    log_evidence: float
    """ln of the e-value against its strongest rival"""
    threshold: float
    """ln of the e-value that declares it: ln((K - 1) / alpha)"""

    @property
    def is_declared(self) -> bool:
        """Whether the leader is the winner, wrongly so with a chance of at most alpha over all times."""
        return self.log_evidence >= self.threshold


def declare(
    trials: Sequence[float], rewards: Sequence[float], eligible: Sequence[bool], *, alpha: float
) -> Declaration:
    """Gives what may be said of the best among at least two arms, for rewards from 0 to 1 (else `ValueError`)."""
    arms = [arm for arm, may in enumerate(eligible) if may]
    if len(arms) < 2:  # noqa: PLR2004 - a winner has a rival
        raise ValueError(f"expected at least two arms to tell a winner, got {len(arms)}")
    leader = max(arms, key=lambda arm: (rewards[arm] + 0.25) / (trials[arm] + 0.5))
    rivals = [arm for arm in arms if arm != leader]
    evidence = min(
        log_evidence_better((trials[leader], rewards[leader]), (trials[rival], rewards[rival])) for rival in rivals
    )
    return Declaration(leader, evidence, math.log(len(rivals) / alpha))


def log_evidence_better(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Gives ln E against the hypothesis that `second` (trials, rewards) is at least as good as `first`."""
    (n, gained), (m, other) = first, second
    mixture = float(betaln(1 + gained, 1 + n - gained) + betaln(1 + other, 1 + m - other))
    if gained * m <= other * n:  # the hypothesis fits as well as anything
        return mixture - _log_likelihood(n, gained) - _log_likelihood(m, other)
    return mixture - _log_likelihood(n + m, gained + other)


def _log_likelihood(trials: float, gained: float) -> float:
    """Gives the greatest ln likelihood of these trials."""
    if trials <= 0.0:
        return 0.0
    share = min(max(gained / trials, 0.0), 1.0)
    return float(xlogy(gained, share) + xlogy(trials - gained, 1.0 - share))
