"""Verdicts from evidence.

The rules, in this order, are decided here:

1. fewer than `min_samples` of either arm: INCONCLUSIVE. Missing is not zero;
2. ln E at or above ln(1/alpha): FAIL. A harmless variant ever gets there with probability at most alpha;
3. the estimate is beyond the limit: INCONCLUSIVE;
4. E above 1: INCONCLUSIVE. The evidence of harm is greater than before the first look, of whatever start;
5. where an opposite test is given, whose null is that the limit is crossed, and its E stays below 1/pass_alpha:
   INCONCLUSIVE. That the variant keeps the limit is not shown;
6. else PASS.

A FAIL is for the moment: whoever acts on it remembers that it did.
"""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol, TypeVar

import msgspec

from trimtab.schemas.decision import Verdict

MIN_SAMPLES: Final = 20


class Side(Enum):
    """Which way a truth may differ from the null for a test to notice."""

    HARM = "harm"
    """null: no worse than allowed"""
    BENEFIT = "benefit"
    """null: as bad as allowed, or worse"""
    BOTH = "both"
    """null: exactly as the other"""


class Estimate(msgspec.Struct, frozen=True, gc=False):
    """What a test has seen since it began."""

    value: float | None
    """in the unit of the limit; None where nothing can be said"""
    limit: float
    n: int
    """responses or values, of the arm that has fewer"""
    is_within: bool
    """whether the value keeps the limit"""


Look_contra = TypeVar("Look_contra", contravariant=True)


class SequentialTest(Protocol[Look_contra]):
    """What every test does."""

    def update(self, look: Look_contra) -> None:
        """Takes a look that is over."""

    def evidence(self, peek: Look_contra | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""

    def estimate(self, peek: Look_contra | None = None) -> Estimate:
        """Gives what was seen, `peek` included."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How much evidence a verdict takes.

    >>> round(Rule(alpha=0.01).threshold, 3)
    4.605
    """

    alpha: float
    """the probability with which a harmless variant may ever fail, between 0 and 1"""
    min_samples: int = MIN_SAMPLES
    pass_alpha: float = 0.05
    """the probability with which a harmful variant may ever pass, where an opposite test is asked"""

    threshold: float = field(init=False)
    """the ln E that fails"""
    pass_threshold: float = field(init=False)
    """the ln E of the opposite test that passes"""

    def __post_init__(self) -> None:
        """Takes logarithms once: every look asks for them."""
        object.__setattr__(self, "threshold", -math.log(self.alpha))
        object.__setattr__(self, "pass_threshold", -math.log(self.pass_alpha))


class Conclusion(msgspec.Struct, frozen=True, gc=False):
    """A verdict with the numbers that it rests on."""

    verdict: Verdict
    reason: str
    value: float | None
    limit: float
    ln_evidence: float
    threshold: float
    """`ln_evidence` that fails"""
    n: int


def conclude(
    test: SequentialTest[Look_contra],
    rule: Rule,
    *,
    peek: Look_contra | None = None,
    opposite: SequentialTest[Look_contra] | None = None,
) -> Conclusion:
    """Gives the verdict on what a test has seen, and on an open look with it.

    `opposite`: the same test with `Side.BENEFIT`, for a PASS that takes evidence and not only the absence of it.
    """
    estimate, evidence = test.estimate(peek), test.evidence(peek)
    shown = math.inf if opposite is None else opposite.evidence(peek)
    verdict, reason = verdict_of(estimate.n, evidence, rule, is_within=estimate.is_within, shown=shown)
    return Conclusion(verdict, reason, estimate.value, estimate.limit, evidence, rule.threshold, estimate.n)


def verdict_of(n: int, evidence: float, rule: Rule, *, is_within: bool, shown: float = math.inf) -> tuple[Verdict, str]:
    """Gives the verdict on `n` samples and their ln E, and why. `shown`: ln E of the opposite test, if there is one."""
    if n < rule.min_samples:
        return Verdict.INCONCLUSIVE, f"{n} of {rule.min_samples} samples"
    if evidence >= rule.threshold:
        return Verdict.FAIL, f"ln evidence of harm {evidence:.2f}, which reaches {rule.threshold:.2f}"
    if not is_within:
        return Verdict.INCONCLUSIVE, f"beyond the limit, but ln evidence {evidence:.2f} is below {rule.threshold:.2f}"
    if evidence > 0.0:
        return Verdict.INCONCLUSIVE, f"within the limit, but ln evidence of harm has risen to {evidence:.2f}"
    if shown < rule.pass_threshold:
        return (
            Verdict.INCONCLUSIVE,
            f"within the limit, but ln evidence of that, {shown:.2f}, is below {rule.pass_threshold:.2f}",
        )
    return Verdict.PASS, "within the limit, and no evidence of harm"
