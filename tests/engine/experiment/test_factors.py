"""Factor analysis against SciPy's Welch test on the rows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind, ttest_ind_from_stats

from trimtab.engine.experiment.factors import Refusal, Tagged, factors
from trimtab.engine.experiment.sample import Moments

TAGS = {"a": {"red"}, "b": {"red", "big"}, "c": {"big"}, "d": {"fast"}}


def tagged(name: str, tags: set[str], values: "np.typing.NDArray[np.float64]") -> Tagged:
    return Tagged(name, frozenset(tags), Moments(len(values), float(values.sum()), float(values @ values)))


def drawn(seed: int, effects: dict[str, float] | None = None) -> dict[str, "np.typing.NDArray[np.float64]"]:
    rng, effects = np.random.default_rng(seed), effects or {}
    return {
        name: rng.normal(sum(effects.get(tag, 0.0) for tag in tags), 1.0 + rng.random(), int(rng.integers(5, 200)))
        for name, tags in TAGS.items()
    }


def variants(values: dict[str, "np.typing.NDArray[np.float64]"]) -> list[Tagged]:
    return [tagged(name, TAGS[name], of_arm) for name, of_arm in values.items()]


@given(st.integers(0, 2**32 - 1))
def test_each_tag_is_compared_with_all_others_pooled_as_scipy_does(seed: int) -> None:
    values = drawn(seed)
    for effect in factors(variants(values)).effects:
        one = np.concatenate([of_arm for name, of_arm in values.items() if effect.tag in TAGS[name]])
        other = np.concatenate([of_arm for name, of_arm in values.items() if effect.tag not in TAGS[name]])
        stats = (one.mean(), one.std(ddof=1), len(one), other.mean(), other.std(ddof=1), len(other))
        expected = ttest_ind_from_stats(*stats, equal_var=False)
        assert (effect.t, effect.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6)
        assert effect.degrees == pytest.approx(ttest_ind(one, other, equal_var=False).df, rel=1e-6)
        assert effect.difference == pytest.approx(one.mean() - other.mean(), abs=1e-9)


def holm(p: list[float]) -> list[float]:
    """The definition: the largest over the smaller ones of (how many are not smaller) x p."""
    return [min(1.0, max(sum(r >= q for r in p) * q for q in p if q <= each)) for each in p]


@given(st.integers(0, 2**32 - 1))
def test_p_values_are_adjusted_over_all_tags(seed: int) -> None:
    effects = factors(variants(drawn(seed))).effects
    assert [effect.adjusted_p for effect in effects] == pytest.approx(holm([effect.p for effect in effects]))
    assert all(before.adjusted_p <= after.adjusted_p for before, after in pairwise(effects))


def test_the_tag_that_makes_the_difference_comes_first() -> None:
    found = factors(variants(drawn(1, {"big": 1.0})))
    assert found.effects[0].tag == "big"
    assert found.effects[0].adjusted_p < 0.01


def test_a_variant_scores_by_all_its_tags() -> None:
    arms = variants(drawn(2))
    found = factors(arms)
    t = {effect.tag: effect.t for effect in found.effects}
    assert found.score(arms[1]) == pytest.approx(t["red"] + t["big"])
    assert found.score(Tagged("e", frozenset({"unknown"}), Moments(0, 0.0, 0.0))) == 0


def test_tags_that_all_or_none_have_are_refused() -> None:
    arms = [tagged(name, {"new", name}, np.arange(5.0)) for name in "ab"]
    found = factors(arms, tags=["new", "old", "a"])
    assert found.refused == (
        Refusal("new", "all of the variants have it"),
        Refusal("old", "none of the variants have it"),
    )
    assert [effect.tag for effect in found.effects] == ["a"]


def test_a_tag_with_too_little_evidence_is_refused() -> None:
    arms = [tagged("a", {"new"}, np.ones(1)), tagged("b", set(), np.arange(5.0))]
    reason = "expected at least 2 trials with it and without, got 1 and 5"
    assert factors(arms).refused == (Refusal("new", reason),)


def test_a_tag_without_any_scatter_is_refused() -> None:
    arms = [tagged("a", {"new"}, np.ones(5)), tagged("b", set(), np.zeros(5))]
    assert factors(arms).refused == (Refusal("new", "no scatter with it nor without"),)


def test_tags_that_split_the_variants_alike_say_so() -> None:
    arms = [tagged("a", {"new", "slim"}, np.arange(5.0)), tagged("b", {"old"}, np.arange(6.0))]
    arms.append(tagged("c", {"old", "wide"}, np.arange(7.0)))
    same_as = {effect.tag: effect.same_as for effect in factors(arms).effects}
    assert same_as == {"new": ("old", "slim"), "old": ("new", "slim"), "slim": ("new", "old"), "wide": ()}


def test_without_variants_there_are_no_factors() -> None:
    assert factors([]).effects == ()


@pytest.mark.slow
def test_a_tag_without_effect_is_called_significant_at_most_at_the_level() -> None:
    rng, wrong, runs = np.random.default_rng(3), 0, 1_000
    for _ in range(runs):
        arms = [tagged(name, tags, rng.exponential(1.0, 300)) for name, tags in TAGS.items()]
        wrong += any(effect.adjusted_p <= 0.05 for effect in factors(arms).effects)
    assert wrong <= 0.065 * runs  # three standard errors above the level
