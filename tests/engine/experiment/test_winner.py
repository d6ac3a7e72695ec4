from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.experiment.confidence_sequence import Level, difference_interval
from trimtab.engine.experiment.sample import Moments, Sample, Share
from trimtab.engine.experiment.winner import Outcome, assess

LEVEL = Level(alpha=0.05, tuned_trials=20_000)
SAME = Share(10_000, 1_000)
BETTER = Share(10_000, 1_300)
SHARES = st.integers(0, 20_000).flatmap(lambda trials: st.builds(Share, st.just(trials), st.integers(0, trials)))
ARMS = st.lists(SHARES, min_size=2, max_size=5).map(lambda arms: dict(zip("abcde", arms, strict=False)))


def test_an_arm_above_all_others_wins() -> None:
    standing = assess({"a": SAME, "b": BETTER, "c": SAME}, LEVEL)
    assert (standing.outcome, standing.winner, standing.beaten) == (Outcome.WINNER, "b", ("a", "c"))


def test_an_arm_below_all_others_wins_where_less_is_better() -> None:
    standing = assess({"a": BETTER, "b": SAME, "c": BETTER}, LEVEL, minimize=True)
    assert (standing.outcome, standing.winner) == (Outcome.WINNER, "b")
    assert standing.reason == "b has 0.03 less than a (0.01522 to 0.04478); b has 0.03 less than c (0.01522 to 0.04478)"


def test_an_arm_that_is_above_some_others_does_not_win_but_those_are_beaten() -> None:
    standing = assess({"a": SAME, "b": BETTER, "c": BETTER}, LEVEL)
    assert (standing.outcome, standing.winner, standing.beaten) == (Outcome.RUNNING, "", ("a",))
    assert standing.reason.startswith("no arm is above all others yet: a has 0.03 less than b")


def test_when_the_time_is_over_and_nothing_separates_no_difference_was_found() -> None:
    slightly = Share(10_000, 1_020)
    assert assess({"a": SAME, "b": slightly}, LEVEL).outcome is Outcome.RUNNING
    standing = assess({"a": SAME, "b": slightly}, LEVEL, is_over=True)
    assert (standing.outcome, standing.winner) == (Outcome.NO_DIFFERENCE, "")
    assert standing.reason.startswith("no difference found: a has 0.002 less than b (-0.0")


def test_a_winner_at_the_last_look_wins() -> None:
    assert assess({"a": SAME, "b": BETTER}, LEVEL, is_over=True).outcome is Outcome.WINNER


@pytest.mark.parametrize("is_over", [False, True])
def test_an_arm_without_evidence_leaves_the_experiment_inconclusive(*, is_over: bool) -> None:
    standing = assess({"a": SAME, "b": SAME, "c": Share(0, 0)}, LEVEL, is_over=is_over)
    assert standing.outcome is Outcome.INCONCLUSIVE
    assert standing.reason == "not enough evidence to compare a and c, b and c"


def test_real_values_have_a_winner_too() -> None:
    arms: dict[str, Sample] = {"a": Moments(1_000, 5_000.0, 26_000.0), "b": Moments(1_000, 5_500.0, 31_250.0)}
    assert assess(arms, LEVEL).winner == "b"


def test_one_arm_is_no_experiment() -> None:
    with pytest.raises(ValueError, match=r"expected at least two arms, got \['a'\]"):
        assess({"a": SAME}, LEVEL)


def test_each_comparison_of_k_arms_runs_at_alpha_over_k_minus_1() -> None:
    standing = assess({"a": SAME, "b": BETTER, "c": SAME}, LEVEL)
    assert standing.differences["a", "b"] == difference_interval(SAME, BETTER, Level(0.025, 20_000))
    assert list(standing.differences) == [("a", "b"), ("a", "c"), ("b", "c")]


@given(arms=ARMS, minimize=st.booleans(), is_over=st.booleans())
def test_a_winner_has_the_best_mean_and_beats_all_others(
    *, arms: dict[str, Sample], minimize: bool, is_over: bool
) -> None:
    standing = assess(arms, LEVEL, minimize=minimize, is_over=is_over)
    assert (standing.outcome is Outcome.WINNER) == bool(standing.winner)
    if standing.winner:
        best = min if minimize else max
        assert standing.winner == best(arms, key=lambda arm: arms[arm].mean)
        assert set(standing.beaten) == arms.keys() - {standing.winner}


@given(ARMS)
def test_the_order_of_the_arms_changes_nothing(arms: dict[str, Sample]) -> None:
    there, back = assess(arms, LEVEL), assess(dict(reversed(arms.items())), LEVEL)
    assert (there.outcome, there.winner, set(there.beaten)) == (back.outcome, back.winner, set(back.beaten))


def declared(shares: tuple[float, ...], runs: int, seed: int) -> list[str]:
    """What experiments with these true shares end with: the first winner in 400 looks, or none."""
    rng, names, ends = np.random.default_rng(seed), "abcdefgh"[: len(shares)], []
    for _ in range(runs):
        hits = np.cumsum(rng.binomial(100, shares, (400, len(shares))), axis=0)
        ends.append(next((end for look in range(400) if (end := _winner(hits[look], 100 * (look + 1), names))), ""))
    return ends


def _winner(hits: "np.typing.NDArray[np.int64]", trials: int, names: str) -> str:
    means = np.sort(hits / trials)
    if means[-1] - means[-2] < 1.5 * np.sqrt(means[-1] * (1 - means[-1]) / trials):
        return ""  # far from any bound, which are at two standard errors of a difference and more
    arms = {name: Share(trials, int(of_arm)) for name, of_arm in zip(names, hits, strict=True)}
    return assess(arms, Level(0.05, 20_000)).winner


@pytest.mark.slow
@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.1, 0.1, 0.1), (0.02, 0.02, 0.02, 0.02, 0.02), (0.05, 0.1, 0.1, 0.1)])
def test_among_equals_a_winner_is_declared_at_most_at_alpha(shares: tuple[float, ...]) -> None:
    assert sum(map(bool, declared(shares, runs=1_000, seed=4))) <= 50


@pytest.mark.slow
def test_the_second_best_is_declared_at_most_at_alpha_and_the_best_nearly_always() -> None:
    ends = declared((0.10, 0.105, 0.12), runs=300, seed=5)
    assert sum(end in ("a", "b") for end in ends) <= 15
    assert sum(end == "c" for end in ends) >= 200


def test_intervals_get_narrower_as_trials_come() -> None:
    widths = [difference_interval(Share(n, n // 10), Share(n, n // 10), LEVEL) for n in (1_000, 5_000, 50_000)]
    assert all(b.upper - b.lower < a.upper - a.lower for a, b in pairwise(widths))
