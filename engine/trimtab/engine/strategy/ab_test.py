"""A/B test: a fixed split, and a winner as soon as confidence sequences separate it from all others.

Anybody may look at any moment: the probability that a variant is ever declared although it is not the only best one is
at most `alpha` (`trimtab.engine.experiment.winner`). Without a winner it ends when its time is over.
"""

from trimtab.engine.experiment.confidence_sequence import Level
from trimtab.engine.experiment.winner import Outcome, assess
from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.strategy import AbTest


def ab_test(situation: Situation, spec: AbTest) -> Move:
    """Gives the split, and the end once there is a winner or the time is over."""
    names = [variant.name for variant in situation.spec.variants]
    arms = {name: sample for name, sample, may in zip(names, situation.samples, situation.eligible, strict=True) if may}
    is_over = situation.now_ms - situation.step_began_ms >= spec.duration
    minimize = situation.spec.objective.goal == "minimize"
    standing = assess(arms, Level(spec.alpha, spec.planned_trials / 2), minimize=minimize, is_over=is_over)
    target, rule = _split(situation, spec, names), f"A/B test: {standing.reason}"
    if standing.outcome is Outcome.WINNER:
        rule = f"A/B test: {standing.winner} wins, {standing.reason}"
        if spec.on_winner == "promote":
            winner = names.index(standing.winner)
            return Move(all_to(winner, len(names)), rule, chosen=winner)
    return Move(target, rule, is_complete=is_over or standing.outcome is Outcome.WINNER)


def _split(situation: Situation, spec: AbTest, names: list[str]) -> tuple[float, ...]:
    """Gives the split; what excluded variants had goes to the baseline."""
    even = BASIS_POINTS / len(names)
    wished = [float(spec.split[name]) if spec.split else even for name in names]
    target = [share if may else 0.0 for share, may in zip(wished, situation.eligible, strict=True)]
    target[situation.baseline] += BASIS_POINTS - sum(target)
    return tuple(target)
