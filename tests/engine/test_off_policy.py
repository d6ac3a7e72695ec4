"""Off-policy estimates: sums over cells equal the formulas over single trials, and what cannot be known is refused."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.off_policy import Logged, TooFew, Unsupported, Values, dr, estimate, ips, snips, unsupported
from trimtab.engine.policy.policy import Batch


@dataclass(frozen=True)
class Row:
    """One trial of a log."""

    interval: int
    arm: int
    reward: float


def logged_rows(rows: Sequence[Row], shares: Sequence[Sequence[float]], targets: Sequence[Sequence[float]]) -> Logged:
    """The rows as counts."""
    batches = []
    for interval, of_interval in enumerate(shares):
        arms = [
            [row.reward for row in rows if (row.interval, row.arm) == (interval, arm)]
            for arm in range(len(of_interval))
        ]
        batches.append(
            Batch(
                trials=[len(rewards) for rewards in arms],
                rewards=[sum(rewards) for rewards in arms],
                squares=[sum(reward * reward for reward in rewards) for rewards in arms],
                shares=of_interval,
            )
        )
    return Logged.of(batches, targets)


def simplexes(arms: int, least: float) -> st.SearchStrategy[list[float]]:
    """Shares that sum to 1, of `least` or more before they are scaled; a `least` of 0 lets some be nothing at all."""
    part = st.floats(least or 1e-6, 1)
    parts = st.lists(part if least else st.one_of(st.just(0.0), part), min_size=arms, max_size=arms).filter(
        lambda drawn: sum(drawn) > 0
    )
    return parts.map(lambda drawn: [part / sum(drawn) for part in drawn])


@st.composite
def row_logs(draw: st.DrawFn) -> tuple[list[Row], list[list[float]], list[list[float]]]:
    arms, intervals = draw(st.integers(2, 4)), draw(st.integers(1, 7))
    shares = draw(st.lists(simplexes(arms, 0.05), min_size=intervals, max_size=intervals))
    targets = draw(st.lists(simplexes(arms, 0.0), min_size=intervals, max_size=intervals))
    row = st.builds(Row, st.integers(0, intervals - 1), st.integers(0, arms - 1), st.sampled_from([0.0, 0.25, 1.0]))
    return draw(st.lists(row, min_size=2, max_size=60)), shares, targets


def row_weights(
    rows: Sequence[Row], shares: Sequence[Sequence[float]], targets: Sequence[Sequence[float]]
) -> list[float]:
    return [targets[row.interval][row.arm] / shares[row.interval][row.arm] for row in rows]


def row_model(rows: Sequence[Row], own: Row, arm: int, folds: int) -> float:
    """The mean reward of an arm in the folds of which a row is not."""
    others = [row for row in rows if row.interval % folds != own.interval % folds]
    of_arm = [row.reward for row in others if row.arm == arm]
    pooled = [row.reward for row in others]
    return float(np.mean(of_arm)) if of_arm else float(np.mean(pooled)) if pooled else 0.0


@given(row_logs())
def test_ips_of_counts_is_that_of_single_trials(drawn: tuple[list[Row], list[list[float]], list[list[float]]]) -> None:
    rows, shares, targets = drawn
    terms = np.array(row_weights(rows, shares, targets)) * [row.reward for row in rows]
    found = ips(logged_rows(*drawn))
    assert found.value == pytest.approx(terms.mean(), abs=1e-12)
    assert found.standard_error == pytest.approx(terms.std(ddof=1) / np.sqrt(len(rows)), abs=1e-7)


@given(row_logs())
def test_snips_of_counts_is_that_of_single_trials(
    drawn: tuple[list[Row], list[list[float]], list[list[float]]],
) -> None:
    rows, shares, targets = drawn
    weights, rewards = np.array(row_weights(rows, shares, targets)), np.array([row.reward for row in rows])
    if weights.sum() == 0:
        assert isinstance(estimate(logged_rows(*drawn)), TooFew)
        return
    value = (weights * rewards).sum() / weights.sum()
    found = snips(logged_rows(*drawn))
    assert found.value == pytest.approx(value, abs=1e-12)
    error = np.sqrt((weights**2 * (rewards - value) ** 2).sum()) / weights.sum()
    assert found.standard_error == pytest.approx(error, abs=1e-7)


@given(row_logs(), st.integers(2, 5))
def test_dr_of_counts_is_that_of_single_trials(
    drawn: tuple[list[Row], list[list[float]], list[list[float]]], folds: int
) -> None:
    rows, shares, targets = drawn
    terms = []
    for row, weight in zip(rows, row_weights(rows, shares, targets), strict=True):
        model = [row_model(rows, row, arm, folds) for arm in range(len(shares[0]))]
        base = sum(target * mean for target, mean in zip(targets[row.interval], model, strict=True))
        terms.append(base + weight * (row.reward - model[row.arm]))
    found = dr(logged_rows(*drawn), folds=folds)
    assert found.value == pytest.approx(np.mean(terms), abs=1e-12)
    assert found.standard_error == pytest.approx(np.std(terms, ddof=1) / np.sqrt(len(rows)), abs=1e-7)


@given(row_logs())
def test_effective_trials_and_greatest_weight_are_those_of_single_trials(
    drawn: tuple[list[Row], list[list[float]], list[list[float]]],
) -> None:
    weights = np.array(row_weights(*drawn))
    found = ips(logged_rows(*drawn))
    assert found.greatest_weight == pytest.approx(weights.max())
    assert found.effective_trials == pytest.approx(weights.sum() ** 2 / (weights**2).sum() if weights.any() else 0.0)


@given(row_logs())
def test_the_shares_in_force_are_worth_the_mean_reward(
    drawn: tuple[list[Row], list[list[float]], list[list[float]]],
) -> None:
    rows, shares, _ = drawn
    found = estimate(logged_rows(rows, shares, shares))
    assert isinstance(found, Values)
    mean = np.mean([row.reward for row in rows])
    assert found.actual == found.ips
    assert [found.actual.value, found.snips.value] == pytest.approx([mean, mean])
    assert found.ips.effective_trials == pytest.approx(len(rows))


def one_interval(
    trials: Sequence[float], shares: Sequence[float], target: Sequence[float], *, rewards: Sequence[float] = (1, 1)
) -> Logged:
    return Logged.of([Batch(trials, rewards, rewards, shares)], [target])


def test_a_target_on_an_arm_that_had_no_share_is_refused() -> None:
    supported = Batch([5, 5], [1, 1], [1, 1], [0.5, 0.5])
    bare = Batch([5, 0], [1, 0], [1, 0], [1.0, 0.0])
    logged = Logged.of([supported, bare, bare], [[0.5, 0.5]] * 3)
    refused = estimate(logged)
    assert refused == Unsupported(arm=1, first=1, intervals=2)
    assert isinstance(estimate(logged.before(1)), Values)


def test_an_interval_without_trials_needs_no_support() -> None:
    silent = Batch([0, 0], [0, 0], [0, 0], [1.0, 0.0])
    spoken = Batch([5, 5], [1, 1], [1, 1], [0.5, 0.5])
    assert unsupported(Logged.of([silent, spoken], [[0.5, 0.5]] * 2)) is None


@pytest.mark.parametrize(("trials", "target"), [((0, 0), (0.5, 0.5)), ((1, 0), (0.5, 0.5)), ((9, 0), (0.0, 1.0))])
def test_too_few_trials_are_told_not_estimated(trials: tuple[int, int], target: tuple[float, float]) -> None:
    refused = estimate(one_interval(trials, (0.5, 0.5), target, rewards=(0, 0)))
    assert isinstance(refused, TooFew)
    assert refused.trials == sum(trials)


def test_a_target_next_to_nothing_is_told_to_be_worth_no_trial() -> None:
    found = ips(one_interval((2, 0), (0.5, 0.5), (1e-200, 1.0), rewards=(0, 0)))
    assert (found.value, found.effective_trials) == (0.0, 0.0)


def test_no_traffic_at_all_is_too_little() -> None:
    assert estimate(Logged.of([], [])) == TooFew(0.0, 0.0)


def test_trials_that_no_share_can_have_routed_are_left_out_and_counted() -> None:
    logged = one_interval((8, 3), (1.0, 0.0), (1.0, 0.0), rewards=(4, 3))
    found = estimate(logged)
    assert logged.stray == 3
    assert isinstance(found, Values)
    assert (found.actual.trials, found.ips.value) == (8, 0.5)


def test_a_wider_confidence_gives_a_wider_interval_around_the_value() -> None:
    found = ips(one_interval((50, 50), (0.5, 0.5), (0.9, 0.1), rewards=(10, 40)))
    low, high = found.interval()
    assert (low + high) / 2 == pytest.approx(found.value)
    assert (high - low) / 2 == pytest.approx(1.959964 * found.standard_error, rel=1e-6)
    assert found.interval(0.99)[0] < low


@pytest.mark.slow
def test_intervals_cover_the_true_value_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    shares, target, means = np.array([0.8, 0.15, 0.05]), np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.2, 0.3])
    covered = dict.fromkeys(("ips", "snips", "dr"), 0)
    replications = 2_000
    for _ in range(replications):
        trials = rng.multinomial(100, shares, size=60)
        rewards = rng.binomial(trials, means)
        batches = [Batch(n, x, x, shares.tolist()) for n, x in zip(trials.tolist(), rewards.tolist(), strict=True)]
        found = estimate(Logged.of(batches, [target.tolist()] * 60))
        assert isinstance(found, Values)
        for name in covered:
            low, high = getattr(found, name).interval()
            covered[name] += low <= float(target @ means) <= high
    assert all(0.93 <= times / replications <= 0.97 for times in covered.values()), covered
