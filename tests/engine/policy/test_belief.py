"""P(best) of what a tally holds, against SciPy and sampling."""

import math

import numpy as np
import pytest
from river import bandit, proba
from scipy import integrate, stats

from engine.policy.policies import batch
from trimtab.engine.best import probability_best
from trimtab.engine.policy.belief import best_arms, probability_best_student
from trimtab.engine.policy.policy import Batch
from trimtab.engine.policy.tally import Tally
from trimtab.engine.policy.thompson import Thompson
from trimtab.engine.posterior import Beta


def tally(*batches: Batch) -> Tally:
    made = Tally.of(len(batches[0].trials))
    for each in batches:
        made.add(each)
    return made


def exact(location: list[float], scale: list[float], degrees: list[float], arm: int) -> float:
    arms = [stats.t(df, at, width) for at, width, df in zip(location, scale, degrees, strict=True)]

    def integrand(probability: float) -> float:
        at = arms[arm].ppf(probability)
        return math.prod(float(each.cdf(at)) for place, each in enumerate(arms) if place != arm)

    return float(integrate.quad(integrand, 0.0, 1.0, epsabs=1e-9, limit=400)[0])


@pytest.mark.parametrize("degrees", [[2, 2, 2], [2.5, 40, 1e6], [1e6, 1e6, 1e6], [3, 500, 12]])
@pytest.mark.parametrize(
    ("location", "scale"),
    [
        ([0, 0.1, -0.2], [1, 1, 1]),
        ([10, 11, 12], [0.1, 3, 0.5]),
        ([0, 0, 0], [1e-3, 1, 100]),
        ([5, 5.001, 4.999], [1e-3] * 3),
    ],
)
def test_student_quadrature_agrees_with_adaptive_quadrature(
    location: list[float], scale: list[float], degrees: list[float]
) -> None:
    given = probability_best_student(np.array(location, float), np.array(scale, float), np.array(degrees, float))
    expected = [exact(location, scale, degrees, arm) for arm in range(3)]
    assert given == pytest.approx(expected, abs=1e-5)
    assert sum(given) == pytest.approx(1.0, abs=1e-12)


def test_real_values_are_judged_by_their_normal_inverse_gamma_posterior() -> None:
    rng = np.random.default_rng(8)
    values = [rng.normal(mean, 4.0, n) for mean, n in ((20.0, 30), (21.0, 12), (19.0, 0))]
    came = Batch(
        [len(each) for each in values], [each.sum() for each in values], [(each**2).sum() for each in values], [0.3] * 3
    )
    everything = np.concatenate(values)
    mean, variance = everything.mean(), everything.var()
    location, scale, degrees = [], [], []
    for each in values:  # one prior trial at the mean of all, with their variance (shape 1)
        n = len(each)
        own = each.mean() if n else 0.0
        shape = 1.0 + n / 2
        rate = variance + ((each - own) ** 2).sum() / 2 + n * (own - mean) ** 2 / (2 * (n + 1))
        location.append((mean + n * own) / (n + 1))
        scale.append(math.sqrt(rate / (shape * (n + 1))))
        degrees.append(2 * shape)
    expected = [exact(location, scale, degrees, arm) for arm in range(3)]
    assert best_arms(tally(came), [True] * 3, real_valued=True) == pytest.approx(expected, abs=1e-5)


def test_real_values_that_are_all_the_same_tell_nothing() -> None:
    same = Batch([10, 20], [1e9, 2e9], [1e17, 2e17], [0.5, 0.5])
    assert best_arms(tally(same), [True, True], real_valued=True) == [0.5, 0.5]


def test_where_the_origin_and_the_unit_of_real_values_lie_does_not_matter() -> None:
    rng = np.random.default_rng(9)
    values = [rng.normal(mean, 1.0, 25) for mean in (0.0, 0.4)]

    def judged(factor: float, offset: float) -> list[float]:
        moved = [factor * each + offset for each in values]
        sums, squares = [float(each.sum()) for each in moved], [float((each**2).sum()) for each in moved]
        return best_arms(tally(Batch([25, 25], sums, squares, [0.5, 0.5])), [True, True], real_valued=True)

    assert judged(100.0, -3_000.0) == pytest.approx(judged(1.0, 0.0), abs=1e-6)
    assert judged(-1.0, 5.0) == pytest.approx(judged(1.0, 0.0)[::-1], abs=1e-6)


def test_an_arm_that_may_not_take_traffic_is_no_rival() -> None:
    counts = [(100, 30), (100, 50), (100, 33)]
    among = best_arms(tally(batch(counts)), [True, False, True], real_valued=False)
    first, _, third = (Beta(1.0 + x, 1.0 + n - x) for n, x in counts)
    assert [among[0], among[2]] == probability_best([first, third]).tolist()
    assert among[1] == 0


def test_sums_of_rewards_that_cannot_be_count_as_the_nearest_that_can() -> None:
    wrong, right = batch([(10, 12), (10, -1)]), batch([(10, 10), (10, 0)])
    assert best_arms(tally(wrong), [True, True], real_valued=False) == best_arms(
        tally(right), [True, True], real_valued=False
    )


def test_thompson_gives_what_a_thompson_sampler_pulls() -> None:
    counts = [(60, 12), (80, 20), (20, 3)]
    ours, theirs = Thompson(3, real_valued=False), bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=3)
    ours.update(batch(counts))
    for arm, (n, x) in enumerate(counts):
        for trial in range(n):
            theirs.update(arm, trial < x)
    pulls = 20_000
    pulled = np.bincount([theirs.pull([0, 1, 2]) for _ in range(pulls)], minlength=3) / pulls
    # Four standard errors of a share of one half.
    assert np.abs(pulled - ours.shares([True] * 3, 0, 1)).max() < 4 * math.sqrt(0.25 / pulls)
