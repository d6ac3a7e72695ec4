"""What is believed of the variants of a release: rewards so far, posteriors, and which of them is best."""

from collections.abc import Sequence
from typing import Final

from trimtab.engine.best import probability_best
from trimtab.engine.experiment.sample import Moments, Sample, Share
from trimtab.engine.objective import Objective, Sums
from trimtab.engine.policy.belief import best_arms
from trimtab.engine.policy.tally import Tally
from trimtab.engine.posterior import Beta, NormalInverseGamma, reward_posterior
from trimtab.engine.prior import Seed, priors_of
from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.reading import SUCCESS
from trimtab.schemas.release import Spec

_LEAST_VARIANCE: Final = 1e-12
"""What rewards that are all the same are taken to scatter by."""


class Belief:
    """Beliefs under one spec, from evidence that goes on growing."""

    __slots__ = ("_best", "_earlier", "_objective", "_origin", "_origin_squares", "_posteriors", "_rewards", "_spec",
                 "_sums", "_tosses", "has_prior", "priors")  # fmt: skip

    def __init__(self, spec: Spec, objective: Objective, state: ReleaseState) -> None:
        self._spec = spec
        self._objective = objective
        self._origin, self._origin_squares = state.origin, state.origin_squares
        self._earlier = [state.origin.get(variant.name, (0, 0)) for variant in spec.variants]
        """trials and reward sum of each variant before the present spec"""
        self.priors = priors_of(spec, state.seed)
        """what is believed of each variant besides"""
        # A decision asks several times: for its move, and to say what it rests on.
        self._sums: list[Sums] = []
        """what variants had shown when somebody last asked"""
        self._rewards: list[tuple[int, int]] = []
        self._posteriors: list[Beta] = []
        """after those; empty until somebody asks for them"""
        self._best: tuple[list[bool], list[float]] = ([], [])
        """who might take traffic when somebody last asked who is best, and the answer; empty as above"""
        self._tosses = self._prior_tosses()
        self.has_prior = any(prior.trials for prior in self.priors)
        """whether anything is"""

    def rewards(self) -> list[tuple[int, int]]:
        """Gives trials and reward sum (in 1/VALUE_SCALE) of each variant under the present spec.

        Contents of before it may still be replaced by lesser ones: of fewer trials than then it is none.
        """
        sums = self._objective.all_sums()
        if sums is not self._sums:
            rewards = [
                (now[0] - trials, now[1] - total) if now[0] > trials else (0, 0)
                for now, (trials, total) in zip(sums, self._earlier, strict=True)
            ]
            if rewards != self._rewards:
                self._rewards, self._posteriors, self._best = rewards, [], ([], [])
            self._sums = sums
        return self._rewards

    def samples(self) -> list[Sample]:
        """Gives what each variant has shown: a share where the objective is one of responses, else moments."""
        if self._spec.objective.metric == SUCCESS:
            counts = [(trials, max(0, total // VALUE_SCALE)) for trials, total in self.rewards()]
            return [Share(trials, min(trials, successes)) for trials, successes in counts]
        return [self._moments(variant.name) for variant in self._spec.variants]

    def _moments(self, variant: str) -> Moments:
        sums = self._objective.sums(variant)
        earlier = (*self._origin.get(variant, (0, 0)), self._origin_squares.get(variant, 0))
        trials, total, squares = (now - before for now, before in zip(sums, earlier, strict=True))
        if trials <= 0:
            return Moments(0, 0.0, 0.0)
        return Moments(trials, total / VALUE_SCALE, max(0, squares) / VALUE_SCALE)

    @property
    def _is_real(self) -> bool:
        return self._spec.objective.values == "real"

    def posteriors(self) -> list[Beta]:
        """Gives the posterior of each variant's mean reward; more is better, also where it is to be minimised.

        Only for rewards from 0 to 1.
        """
        rewards = self.rewards()
        if not self._posteriors:
            minimize = self._spec.objective.goal == "minimize"
            self._posteriors = [
                reward_posterior(*sums, prior, minimize=minimize)
                for sums, prior in zip(rewards, self._tosses, strict=True)
            ]
        return self._posteriors

    def _prior_tosses(self) -> list[tuple[float, float]]:
        return [(0.0, 0.0) if self._is_real else (one.rewards, one.trials - one.rewards) for one in self.priors]

    def means(self) -> list[NormalInverseGamma]:
        """Gives the posterior of each variant's mean reward where rewards are real; less is turned around, too.

        From one observation at the mean of all, as far apart as all are, and what is believed besides.
        """
        tally = self._tally()
        start = NormalInverseGamma(tally.mean(), 1.0, 1.0, max(tally.variance(), _LEAST_VARIANCE))
        sums = zip(tally.trials, tally.rewards, tally.squares, strict=True)
        return [start.updated(trials, total, squares) for trials, total, squares in sums]

    def _tally(self) -> Tally:
        """Gives what arms have earned and what is believed of them, where more is better."""
        sign = -1.0 if self._spec.objective.goal == "minimize" else 1.0
        sums = list(zip(map(sums_of_sample, self.samples()), self.priors, strict=True))
        return Tally(
            [trials + prior.trials for (trials, _, _), prior in sums],
            [sign * (total + prior.rewards) for (_, total, _), prior in sums],
            [squares + prior.squares for (_, _, squares), prior in sums],
        )

    def probabilities(self, eligible: Sequence[bool]) -> list[float]:
        """Gives P(best) among the variants that may take traffic, 0 for the others."""
        if self._is_real:  # also a matter of squares, which need not move with rewards
            return best_arms(self._tally(), eligible, real_valued=True)
        self.rewards()
        if self._best[0] != eligible:
            self._best = (list(eligible), self._probabilities(eligible))
        return self._best[1]

    def _probabilities(self, eligible: Sequence[bool]) -> list[float]:
        posteriors = [beta for beta, may in zip(self.posteriors(), eligible, strict=True) if may]
        best: list[float] = probability_best(posteriors).tolist()
        if len(best) < len(eligible):
            given = iter(best)
            best = [next(given) if may else 0.0 for may in eligible]
        return best


def sums_of_sample(sample: Sample) -> Seed:
    """Gives trials, sum of rewards and of their squares."""
    if isinstance(sample, Share):
        return float(sample.trials), float(sample.successes), float(sample.successes)
    return float(sample.trials), sample.total, sample.squares
