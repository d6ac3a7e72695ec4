"""Error control over all guardrails and candidates of a release: a harmless release is aborted with probability alpha.

Alpha is split over candidates by the sums of their weights, and a candidate's part is spent on the mean of its
guardrails' E, by their weights:

* a mean of e-processes is one, however they depend on each other, as long as each is a supermartingale given all that
  the release has seen. So the chance that a harmless candidate ever reaches its threshold is at most its part of alpha,
  and that any does is at most alpha;
* the mean is at least the weighted share of its largest term: whatever one guardrail fails by itself at its own part
  of alpha (a Bonferroni split) fails the mean too, and several that are each half sure fail it together. That is why E
  is not compared guardrail by guardrail alone;
* whether one candidate is harmless does not touch what is promised of the others.

A guardrail that is only a signal, or muted, has no part in a family. Weights are fixed before the first look; another
set of guardrails makes another family, with an alpha of its own.

Source: Vovk, Wang: E-values: calibration, combination and applications (2021), for the mean.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trimtab.engine.sequential.conclusion import MIN_SAMPLES, Rule

ABORT_ALPHA: Final = 0.01


@dataclass(frozen=True, slots=True)
class Merged:
    """What the guardrails of one candidate say together."""

    ln_evidence: float
    threshold: float
    leading: str
    """the guardrail that adds the most"""

    @property
    def is_alarm(self) -> bool:
        """Whether the candidate does harm, as far as the family may be wrong."""
        return self.ln_evidence >= self.threshold


class Family:
    """The guardrails of all candidates of a release, which share one alpha.

    >>> family = Family({"canary": {"errors": 2.0, "latency": 1.0, "saturation": 1.0}}, alpha=0.01)
    >>> round(family.rule("canary", "errors").alpha, 6)
    0.005
    >>> family.merge("canary", {"errors": 5.0, "latency": 5.1, "saturation": 3.0}).is_alarm
    True
    """

    __slots__ = ("_alphas", "_parts")

    def __init__(self, weights: Mapping[str, Mapping[str, float]], alpha: float = ABORT_ALPHA) -> None:
        """`weights`: candidate -> guardrail -> weight, above 0 each. Raises `ValueError` for anything else."""
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"expected an alpha between 0 and 1, got {alpha!r}")
        for candidate, guardrails in weights.items():
            if not guardrails or not all(0.0 < weight < math.inf for weight in guardrails.values()):
                raise ValueError(f"candidate {candidate}: expected weights above 0, got {dict(guardrails)!r}")
        whole = math.fsum(weight for guardrails in weights.values() for weight in guardrails.values())
        sums = {candidate: math.fsum(guardrails.values()) for candidate, guardrails in weights.items()}
        self._alphas = {candidate: alpha * total / whole for candidate, total in sums.items()}
        self._parts = {
            candidate: {name: weight / sums[candidate] for name, weight in guardrails.items()}
            for candidate, guardrails in weights.items()
        }

    def rule(self, candidate: str, guardrail: str, min_samples: int = MIN_SAMPLES) -> Rule:
        """Gives the rule by which a guardrail fails alone."""
        return Rule(self._alphas[candidate] * self._parts[candidate][guardrail], min_samples)

    def merge(self, candidate: str, ln_evidences: Mapping[str, float]) -> Merged:
        """Gives the evidence of all guardrails of a candidate; one that is not given counts as E = 1."""
        terms = {name: math.log(part) + ln_evidences.get(name, 0.0) for name, part in self._parts[candidate].items()}
        leading = max(terms, key=terms.__getitem__)
        total = math.fsum(math.exp(term - terms[leading]) for term in terms.values())
        return Merged(terms[leading] + math.log(total), -math.log(self._alphas[candidate]), leading)
