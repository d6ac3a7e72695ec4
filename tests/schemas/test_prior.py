"""Priors of a release file: what they may say, and what is refused."""

import pytest
from pydantic import ValidationError

from engine.builders import NOW_MS, Json, release, spec
from trimtab.engine.ledger import Ledger
from trimtab.schemas.prior import Prior, VariantPrior
from trimtab.schemas.release import parse_document

SHARE: Json = {"metric": "converted"}
REAL: Json = {"metric": "revenue", "values": "real"}
THOMPSON = {"type": "bandit", "policy": {"type": "thompson"}}


@pytest.mark.parametrize(
    ("objective", "prior", "refusal"),
    [
        (SHARE, {"mean": 1.5, "strength": 10}, "objective.prior.mean: expected a share between 0 and 1, got 1.5"),
        (SHARE, {"mean": -0.1, "strength": 10}, "objective.prior.mean: expected a share between 0 and 1, got -0.1"),
        (SHARE, {"mean": 0.5, "strength": 0}, "greater than 0"),
        (SHARE, {"mean": 0.5, "strength": -3}, "greater than 0"),
        (SHARE, {"mean": 0.5, "strength": float("inf")}, "finite number"),
        (SHARE, {"mean": float("nan"), "strength": 1}, "finite number"),
        (SHARE, {"mean": 0.5}, "mean: expected together with strength"),
        (SHARE, {"strength": 5}, "mean: expected together with strength"),
        (SHARE, {}, "mean: expected a value here, or in variants or from, found none"),
        (SHARE, {"mean": 0.5, "strength": 1, "deviation": 1}, "deviation: expected none, unless values are real"),
        (SHARE, {"from": "shadow", "mean": 0.5, "strength": 1}, "from: expected no mean, deviation or variants"),
        (SHARE, {"from": "canary"}, "'shadow'"),
        (SHARE, {"variants": {"canery": {"mean": 0.5, "strength": 1}}}, "did you mean canary?"),
        (
            SHARE,
            {"variants": {"canary": {"mean": 2, "strength": 1}}},
            "objective.prior.variants.canary.mean: expected a share between 0 and 1, got 2",
        ),
        (REAL, {"mean": 30, "strength": 5}, "deviation: expected one, for values are real"),
        (REAL, {"mean": 30, "strength": 5, "deviation": 0}, "greater than 0"),
        (REAL, {"mean": -1e200, "strength": 5, "deviation": 1}, "expected at most 1e+15 in size, got -1e+200"),
        (REAL, {"mean": 30, "strength": 5, "deviation": 1e200}, "expected at most 1e+15 in size, got 1e+200"),
    ],
)
def test_a_prior_that_makes_no_sense_is_refused(objective: Json, prior: Json, refusal: str) -> None:
    with pytest.raises(ValidationError) as refused:
        release(strategy=THOMPSON, objective={**objective, "prior": prior})
    assert refusal in str(refused.value)


@pytest.mark.parametrize(
    ("strategy", "refusal"),
    [
        ({"type": "abTest"}, "objective.prior: abTest takes none"),
        ({"type": "bandit", "policy": {"type": "exp3"}}, "objective.prior: the policy exp3 takes none"),
        ({"type": "bandit", "policy": {"type": "topTwo"}}, "objective.prior: the policy topTwo takes none"),
        (
            {"type": "bandit", "policy": {"type": "mixture", "members": [
                {"weight": 1, "policy": {"type": "exp3"}}, {"weight": 1, "policy": {"type": "ucb"}}]}},
            "objective.prior: the policy exp3 takes none",
        ),
    ],
)  # fmt: skip
def test_who_takes_no_prior_says_so(strategy: Json, refusal: str) -> None:
    with pytest.raises(ValidationError) as refused:
        release(strategy=strategy, objective={"prior": {"mean": 0.5, "strength": 3}})
    assert refusal in str(refused.value)


def test_the_greatest_prior_that_is_taken_is_one_that_a_release_can_go_on_with() -> None:
    prior = {"mean": -1e15, "strength": 1e9, "deviation": 1e15}
    taken = release(strategy=THOMPSON, objective={**REAL, "prior": prior})
    effects = Ledger().advance(0, NOW_MS, spec(taken))
    assert not effects.rejected
    assert [arm.mean for arm in effects.published[0].decision.arms] == [-1e15, -1e15]


def test_a_prior_of_a_variant_stands_in_place_of_the_one_of_all() -> None:
    prior = Prior(mean=0.1, strength=20, variants={"canary": VariantPrior(mean=0.2, strength=5)})
    assert prior.of("canary") == VariantPrior(mean=0.2, strength=5)
    assert prior.of("stable") == VariantPrior(mean=0.1, strength=20)
    assert Prior(variants=prior.variants).of("stable") is None


def test_a_prior_from_a_shadow_phase_is_written_as_from() -> None:
    applied = release(strategy=THOMPSON, objective={"prior": {"from": "shadow", "strength": 50}})
    assert b'"from":"shadow"' in applied.document()
    assert parse_document(applied.document()) == applied
