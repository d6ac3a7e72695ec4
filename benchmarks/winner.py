"""How soon top-two sampling tells which arm is best, against an even split, with the engine's own policies.

Bernoulli arms, batches of 1,000. A run has its answer at the first batch after which P(best) of an arm is at least 0.95
on plain counts; one that never has counts with the horizon. It goes on until the winner may be declared for certain, by
the e-values of `trimtab.engine.policy.declaration`, which unlike P(best) may be looked at after each batch.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from trimtab.engine.policy.policy import Batch, Policy
from trimtab.engine.policy.top_two import TopTwo
from trimtab.engine.policy.uniform import Uniform

PROBLEMS: Final[Mapping[str, tuple[float, ...]]] = {
    "s1": (0.10, 0.12),
    "s3": (0.05, 0.055, 0.06, 0.065, 0.07),
    "s5": (0.5, *[0.45] * 19),
}
"""S1, S3 and S5 of the problems that `regret` has: each arm's share of rewards"""
JUDGED: Final = ("s3", "s5")
CERTAIN: Final = 0.95
ALPHA: Final = 0.05
SEED: Final = 3


@dataclass(slots=True)
class Run:
    """One replication."""

    policy: Policy
    """what routes the traffic"""
    counts: TopTwo
    """what is known of it"""
    shares: list[float]
    answered: int = 0
    """events until P(best) was high enough"""
    answer: int = -1
    """the arm; below 0 where it never was"""
    declared: int = 0
    """events until a winner was declared"""
    winner: int = -1
    """the arm; below 0 where none was"""

    def take(self, batch: Batch, events: int) -> None:
        """Takes a batch, which makes so many events in all."""
        eligible = [True] * len(self.shares)
        self.counts.update(batch)
        if self.policy is not self.counts:
            self.policy.update(batch)
        if self.answer < 0:
            best = self.counts.probabilities(eligible)
            self.answered, self.answer = events, best.index(max(best)) if max(best) >= CERTAIN else -1
        declaration = self.counts.declaration(eligible)
        self.declared, self.winner = events, declaration.leader if declaration.is_declared else -1
        self.shares = self.policy.shares(eligible, sum(batch.trials), 0)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be varied."""
    parser.add_argument("--runs", type=int, default=60, help="replications of each problem and policy")
    parser.add_argument("--events", type=int, default=1_000_000, help="horizon")
    parser.add_argument("--batch", type=int, default=1_000, help="events per batch")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives events of top-two over those of uniform, as means and as medians, and how many answers are right."""
    runs = {problem: _both(PROBLEMS[problem], options) for problem in PROBLEMS}
    figures: dict[str, object] = {
        "s3_vs_uniform": _ratio(runs["s3"], "mean"),
        "s5_vs_uniform": _ratio(runs["s5"], "mean"),
        "correct_ratio": min(_correct(runs[problem]["top_two"], problem) for problem in JUDGED),
    }
    for problem, of_problem in runs.items():
        figures[f"{problem}_vs_uniform_median"] = _ratio(of_problem, "median")
        for name, of_policy in of_problem.items():
            figures |= {f"{problem}_{name}_{field}": value for field, value in _row(of_policy, problem).items()}
    return figures


def _both(shares: Sequence[float], options: argparse.Namespace) -> dict[str, list[Run]]:
    arms = len(shares)
    even = [1.0 / arms] * arms
    uniform = [Run(Uniform(), _counts(arms), even) for _ in range(options.runs)]
    top_two = [Run(counts, counts, even) for counts in (_counts(arms) for _ in range(options.runs))]
    return {"uniform": _replicate(uniform, shares, options), "top_two": _replicate(top_two, shares, options)}


def _counts(arms: int) -> TopTwo:
    return TopTwo(arms, alpha=ALPHA, real_valued=False)


def _replicate(runs: list[Run], shares: Sequence[float], options: argparse.Namespace) -> list[Run]:
    rng = np.random.default_rng(SEED)
    for events in range(options.batch, options.events + 1, options.batch):
        going = [run for run in runs if run.answer < 0 or run.winner < 0]
        if not going:
            break
        trials = rng.multinomial(options.batch, np.array([run.shares for run in going]))
        gained = rng.binomial(trials, shares)
        for run, n, x in zip(going, trials.tolist(), gained.tolist(), strict=True):
            run.take(Batch(n, x, x, run.shares), events)
    return runs


def _row(runs: Sequence[Run], problem: str) -> dict[str, object]:
    best = PROBLEMS[problem].index(max(PROBLEMS[problem]))
    return {
        "events_mean": round(float(np.mean([run.answered for run in runs]))),
        "events_median": round(float(np.median([run.answered for run in runs]))),
        "correct": _correct(runs, problem),
        "declared_mean": round(float(np.mean([run.declared for run in runs]))),
        "declared_wrong": sum(run.winner not in (best, -1) for run in runs),
    }


def _correct(runs: Sequence[Run], problem: str) -> float:
    """Gives the share of runs whose answer is right; one without an answer is not."""
    best = PROBLEMS[problem].index(max(PROBLEMS[problem]))
    return round(float(np.mean([run.answer == best for run in runs])), 4)


def _ratio(runs: Mapping[str, Sequence[Run]], how: str) -> float:
    average = np.mean if how == "mean" else np.median
    top_two, uniform = (average([run.answered for run in runs[name]]) for name in ("top_two", "uniform"))
    return round(float(top_two / uniform), 4)
