"""What is believed of the variants of a release: rewards so far, posteriors, and which of them is best."""

from collections.abc import Sequence
from typing import Final

from trimtab.engine.best import probability_best
from trimtab.engine.earned import Sums, earned, within
from trimtab.engine.evidence import Evidence
from trimtab.engine.experiment.sample import Moments, Sample, Share
from trimtab.engine.posterior import Beta, reward_posterior
from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.release import Spec

_NO_SUMS: Final = (0, 0, 0)


class Belief:
    """Beliefs under one spec, from evidence that goes on growing."""

    __slots__ = ("_best", "_evidence", "_origin", "_origin_squares", "_spec")

    def __init__(self, spec: Spec, evidence: Evidence, state: ReleaseState) -> None:
        self._spec = spec
        self._evidence = evidence
        self._origin, self._origin_squares = state.origin, state.origin_squares
        self._best: tuple[list[Beta], list[float]] = ([], [])
        """posteriors, and what came of them when they were last asked for"""

    def rewards(self) -> list[tuple[int, int]]:
        """Gives trials and reward sum (in 1/VALUE_SCALE) of each variant under the present spec."""
        if self._spec.objective.attribution is not None:
            sums = [self._earned(variant.name) for variant in self._spec.variants]
            return [(trials, total) for trials, total, _ in sums]
        rewards = []
        for variant in self._spec.variants:
            trials, total = self._evidence.totals[variant.name].rewards(self._spec.objective.metric)
            earlier_trials, earlier_total = self._origin.get(variant.name, (0, 0))
            rewards.append((trials - earlier_trials, total - earlier_total))
        return rewards

    def _earned(self, variant: str) -> Sums:
        """Gives what a variant has earned by its mature cohorts, which began with the present spec."""
        trials, total, squares = earned(self._spec, self._evidence, variant)
        return trials, within(trials, total, is_share=self._spec.objective.values == "share"), squares

    def samples(self) -> list[Sample]:
        """Gives what each variant has shown: a share where the objective is one of responses, else moments.

        Contents of before the present spec may still be replaced by lesser ones: what that takes is not gone below 0.
        """
        if self._spec.objective.metric == "success":
            counts = [(max(0, trials), max(0, total // VALUE_SCALE)) for trials, total in self.rewards()]
            return [Share(trials, min(trials, successes)) for trials, successes in counts]
        return [self._moments(variant.name) for variant in self._spec.variants]

    def _moments(self, variant: str) -> Moments:
        if self._spec.objective.attribution is not None:
            trials, total, squares = self._earned(variant)
            return Moments(trials, total / VALUE_SCALE, max(0, squares) / VALUE_SCALE)
        sums = self._evidence.totals[variant].values.get(self._spec.objective.metric, _NO_SUMS)
        earlier = (*self._origin.get(variant, (0, 0)), self._origin_squares.get(variant, 0))
        trials, total, squares = (now - before for now, before in zip(sums, earlier, strict=True))
        return Moments(max(0, trials), total / VALUE_SCALE, max(0, squares) / VALUE_SCALE)

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
