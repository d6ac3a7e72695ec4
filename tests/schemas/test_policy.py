"""What a release file says of its policy."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from trimtab.schemas.policy import POLICY_TYPES, PolicySpec, check_rewards
from trimtab.schemas.river_policy import RIVER_POLICIES

ADAPTER: TypeAdapter[PolicySpec] = TypeAdapter(PolicySpec)

LEAST: dict[str, dict[str, Any]] = {
    "mixture": {"members": [{"policy": {"type": "uniform"}}]},
    "river": {"policy": "ThompsonSampling"},
    "entryPoint": {"name": "mine"},
}


@pytest.mark.parametrize("kind", POLICY_TYPES)
def test_every_policy_may_be_named_and_reads_back_what_it_writes(kind: str) -> None:
    said = ADAPTER.validate_python({"type": kind, **LEAST.get(kind, {})})
    assert said.type == kind
    assert ADAPTER.validate_json(ADAPTER.dump_json(said, by_alias=True)) == said


def test_the_schema_knows_every_policy() -> None:
    assert set(ADAPTER.json_schema()["discriminator"]["mapping"]) == set(POLICY_TYPES)


def test_every_field_of_a_policy_says_what_it_is() -> None:
    for name, definition in ADAPTER.json_schema(by_alias=True)["$defs"].items():
        assert definition["description"], name
        for field, detail in definition["properties"].items():
            assert "description" in detail or field in ("type", "detector", "members", "policy"), f"{name}.{field}"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"type": "tompson"},
            r"expected a policy out of adaptive, thompson, .*; got 'tompson'; did you mean thompson\?",
        ),
        ({"type": "kl-ucb"}, r"did you mean klUcb\?"),
        ({"type": "zzz"}, r"got 'zzz' \[type"),
        ({"type": 3}, "does not match any of the expected tags"),
        ({}, "Unable to extract tag"),
        ("thompson", "valid dictionary"),
        ({"type": "thompson", "epsilon": 0.1}, "Extra inputs are not permitted"),
        ({"type": "discounted", "memory": 0}, "greater than or equal to 1"),
        ({"type": "sliding", "batches": 1001}, "less than or equal to 1000"),
        ({"type": "klUcb", "exploration": 0}, "greater than 0"),
        ({"type": "ucb", "exploration": float("inf")}, "less than or equal to 100"),
        ({"type": "epsilonGreedy", "epsilon": 1.5}, "less than or equal to 1"),
        ({"type": "exp3", "exploration": -0.1}, "greater than or equal to 0"),
        ({"type": "topTwo", "alpha": 0}, "greater than 0"),
        ({"type": "mixture", "members": []}, "at least 1 item"),
        ({"type": "mixture", "members": [{"weight": 0, "policy": {"type": "uniform"}}]}, "greater than 0"),
        ({"type": "mixture", "members": [{"policy": {"type": "unifrom"}}]}, r"did you mean uniform\?"),
        ({"type": "mixture", "members": [{"policy": {"type": "segmented"}}]}, "members and segments, got segmented"),
        (
            {"type": "mixture", "members": [{"policy": {"type": "mixture", "members": [{"policy": {"type": "ucb"}}]}}]},
            "without members and segments, got mixture",
        ),
        ({"type": "river", "policy": "Thompson"}, r"a policy of river.bandit out of BayesUCB, .*; got 'Thompson'"),
        ({"type": "river", "policy": "UCB1", "parameters": {"delta": 1}}, r"did you mean UCB\?"),
        ({"type": "river", "policy": "UCB"}, r"parameters: UCB needs delta, got \[\]"),
        (
            {"type": "river", "policy": "UCB", "parameters": {"dleta": 1}},
            r"expected parameters of UCB out of delta, burn_in; got 'dleta'; did you mean delta\?",
        ),
        (
            {"type": "river", "policy": "EpsilonGreedy", "parameters": {"epsilon": 2}},
            r"parameters: expected epsilon from 0 to 1, got 2\.0",
        ),
        ({"type": "river", "policy": "UCB", "parameters": {"delta": float("nan")}}, "expected delta from 0 to 1000"),
        ({"type": "entryPoint", "name": ""}, "at least 1 character"),
        ({"type": "entryPoint", "name": "mine", "parameters": {"x": float("nan")}}, "finite number"),
        ({"type": "linear", "features": {}}, "Extra inputs are not permitted"),
        ({"type": "linear", "model": "linucb"}, "'bayesian' or 'linUcb'"),
        ({"type": "ucb", "drift": {"detector": "kswin"}}, "'adwin', 'pageHinkley'"),
        ({"type": "ucb", "drift": {"detector": "adwin", "keep": 2}}, "less than or equal to 1"),
        ({"type": "topTwo", "drift": {"detector": "adwin"}}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(written: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(written)


def needs_bounded(**written: object) -> bool:
    said = ADAPTER.validate_python(written)
    check_rewards(said, real_valued=False)
    if not said.bounded_only:
        check_rewards(said, real_valued=True)
        return False
    with pytest.raises(ValueError, match=f"^policy {said.type}: expected rewards from 0 to 1 for it, got real values$"):
        check_rewards(said, real_valued=True)
    return True


@pytest.mark.parametrize("kind", ["adaptive", "klUcb", "exp3", "segmented"])
def test_policies_of_shares_are_refused_for_real_values(kind: str) -> None:
    assert needs_bounded(type=kind)


@pytest.mark.parametrize("kind", ["thompson", "discounted", "sliding", "ucb", "epsilonGreedy", "linear"])
def test_other_policies_take_real_values(kind: str) -> None:
    assert not needs_bounded(type=kind)


def test_a_mixture_takes_what_all_its_members_take() -> None:
    assert not needs_bounded(type="mixture", members=[{"policy": {"type": "ucb"}}])
    assert needs_bounded(type="mixture", members=[{"policy": {"type": "ucb"}}, {"policy": {"type": "exp3"}}])


def test_what_river_takes_depends_on_its_policy() -> None:
    needed = {"UCB": {"delta": 1}, "EpsilonGreedy": {"epsilon": 0.1}, "Exp3": {"gamma": 0.1}}
    bounded = {
        name for name in RIVER_POLICIES if needs_bounded(type="river", policy=name, parameters=needed.get(name, {}))
    }
    assert bounded == {"BayesUCB", "Exp3", "ThompsonSampling"}
