"""How breaches of a look fall upon two arms, given how many there are: Fisher's noncentral hypergeometric distribution.

Of `candidate` and `baseline` responses m breach together. If those of an arm breach independently and alike, and the
odds of the candidate are psi times those of the baseline, then x, the candidate's breaches, has the weights
C(candidate, x) C(baseline, m - x) psi^x whatever the baseline's share is. Their sum Z(psi) gives the likelihood ratio
of odds psi exp(tilt) against odds psi: exp(tilt x) Z(psi) / Z(psi exp(tilt)). It has mean 1 at psi, exactly. It rises
with x where tilt > 0, and x rises stochastically with psi (monotone likelihood ratio), so that its mean is at most 1 at
any odds below psi. With tilt < 0 it is the other way round.

Z is a plain sum where few counts are possible. Else it is summed outward from near its largest term, until what is left
cannot matter: some 18 standard deviations of x, so that a look of n responses costs O(sqrt(n)).

Source: Fog: Sampling methods for Wallenius' and Fisher's noncentral hypergeometric distributions (2008), for the mode.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.sequential.look import SharePair

Floats = npt.NDArray[np.float64]

_TINY: Final = 1e-18
_FEW: Final = 24
"""So many terms are simply all added up: even with billions of responses they stay within the range of a float."""


@compiled
def _mode(candidate: float, baseline: float, breaches: float, odds: float) -> float:
    """Gives where the weights are largest, give or take one."""
    least, most = max(0.0, breaches - baseline), min(candidate, breaches)
    linear = breaches - baseline - (candidate + breaches + 2.0) * odds
    constant = (candidate + 1.0) * (breaches + 1.0) * odds
    root = math.sqrt(max(0.0, linear * linear - 4.0 * (odds - 1.0) * constant))
    return min(max(math.floor(-2.0 * constant / (linear - root)), least), most)


@compiled
def ln_normaliser(candidate: float, baseline: float, breaches: float, ln_odds: float) -> float:
    """Gives ln Z less ln(candidate! baseline!), which does not depend on the odds."""
    odds = math.exp(ln_odds)
    mode = _mode(candidate, baseline, breaches, odds)
    rest = baseline - breaches
    total, term, at = 1.0, 1.0, mode
    while term > _TINY * total:  # ends of itself: beyond the last possible count the factor is 0
        term *= (candidate - at) * (breaches - at) / ((at + 1.0) * (rest + at + 1.0)) * odds
        at += 1.0
        total += term
    term, at = 1.0, mode
    while term > _TINY * total:
        term *= at * (rest + at) / ((candidate - at + 1.0) * (breaches - at + 1.0)) / odds
        at -= 1.0
        total += term
    return (
        math.log(total)
        + mode * ln_odds
        - math.lgamma(mode + 1.0)
        - math.lgamma(candidate - mode + 1.0)
        - math.lgamma(breaches - mode + 1.0)
        - math.lgamma(rest + mode + 1.0)
    )


@compiled
def _terms(candidate: float, baseline: float, breaches: float, width: int) -> Floats:
    """Gives the weights, at even odds, of the least possible count, as 1, and of the `width` counts after it."""
    at = max(0.0, breaches - baseline)
    terms = np.ones(width + 1)
    for place in range(width):
        factor = (candidate - at) * (breaches - at) / ((at + 1.0) * (baseline - breaches + at + 1.0))
        terms[place + 1] = terms[place] * factor
        at += 1.0
    return terms


@compiled
def _ln_sum_of(terms: Floats, ln_odds: float) -> float:
    """Gives ln of the sum of the terms times the powers of the odds."""
    odds, total = math.exp(ln_odds), 0.0
    for place in range(len(terms) - 1, -1, -1):
        total = total * odds + terms[place]
    return math.log(total)


@compiled
def pair_steps(tilts: Floats, ln_odds: float, look: SharePair) -> Floats:
    """Gives the log likelihood ratio of each tilt of the odds exp(`ln_odds`), for what a look brought."""
    candidate, x, baseline, y = look
    steps = np.zeros(len(tilts))
    least, most = max(0, x + y - baseline), min(candidate, x + y)
    if most == least:
        return steps
    if most - least <= _FEW:
        terms = _terms(candidate, baseline, x + y, most - least)
        at_null = _ln_sum_of(terms, ln_odds)
        for place in range(len(tilts)):
            steps[place] = (x - least) * tilts[place] + at_null - _ln_sum_of(terms, ln_odds + tilts[place])
        return steps
    at_null = ln_normaliser(candidate, baseline, x + y, ln_odds)
    for place in range(len(tilts)):
        tilted = ln_normaliser(candidate, baseline, x + y, ln_odds + tilts[place])
        steps[place] = x * tilts[place] + at_null - tilted
    return steps
