"""What is believed of the variants of a release: rewards so far, posteriors, and which of them is best."""

from collections.abc import Sequence

from trimtab.engine.best import probability_best
from trimtab.engine.evidence import Evidence
from trimtab.engine.posterior import Beta, reward_posterior
from trimtab.schemas.release import Spec


class Belief:
    """Beliefs under one spec, from evidence that goes on growing."""

    __slots__ = ("_best", "_evidence", "_origin", "_spec")

    def __init__(self, spec: Spec, evidence: Evidence, origin: dict[str, tuple[int, int]]) -> None:
        """`origin`: variant -> trials and reward sum that belong to an earlier spec."""
        self._spec = spec
        self._evidence = evidence
        self._origin = origin
        self._best: tuple[list[Beta], list[float]] = ([], [])
        """posteriors, and what came of them when they were last asked for"""

    def rewards(self) -> list[tuple[int, int]]:
        """Gives trials and reward sum (in 1/VALUE_SCALE) of each variant under the present spec."""
        rewards = []
        for variant in self._spec.variants:
            trials, total = self._evidence.totals[variant.name].rewards(self._spec.objective.metric)
            earlier_trials, earlier_total = self._origin.get(variant.name, (0, 0))
            rewards.append((trials - earlier_trials, total - earlier_total))
        return rewards

    def posteriors(self) -> list[Beta]:
        """Gives the posterior of each variant's mean reward; more is better, also where it is to be minimised."""
        minimize = self._spec.objective.goal == "minimize"
        return [reward_posterior(trials, total, minimize=minimize) for trials, total in self.rewards()]

    def probabilities(self, eligible: Sequence[bool]) -> list[float]:
        """Gives P(best) among the variants that may take traffic, 0 for the others."""
        posteriors = [beta for beta, may in zip(self.posteriors(), eligible, strict=True) if may]
        if posteriors != self._best[0]:  # a decision asks twice: for its move, and to say what it rests on
            self._best = (posteriors, probability_best(posteriors).tolist())
        best = iter(self._best[1])
        return [next(best) if may else 0.0 for may in eligible]
