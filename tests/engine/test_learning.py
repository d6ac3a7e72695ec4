"""What a bandit's policy is told, and every policy at the wheel of a release."""

from collections.abc import Sequence

import msgspec
import pytest
from pydantic import ValidationError

from engine.builders import NOW_MS, Json, batch, builder, emitted, outcome, release, response
from engine.evidence_rig import EvidenceRig, decision
from engine.simulation import Service, Simulation
from trimtab.engine.ledger import Ledger
from trimtab.engine.release import ReleaseFold
from trimtab.engine.release_state import ReleaseSnapshot
from trimtab.schemas.evidence import Panes
from trimtab.schemas.telemetry import Event

POLICIES: list[Json] = [
    {"type": "adaptive"},
    {"type": "thompson"},
    {"type": "discounted", "memory": 5_000},
    {"type": "sliding", "batches": 20},
    {"type": "klUcb"},
    {"type": "ucb", "exploration": 0.2},
    {"type": "epsilonGreedy", "epsilon": 0.2},
    {"type": "topTwo"},
    {"type": "mixture", "members": [{"policy": {"type": "thompson"}}, {"policy": {"type": "epsilonGreedy"}}]},
    {"type": "river", "policy": "ThompsonSampling", "pulls": 200},
]


def bandit(policy: Json, **more: object) -> Json:
    return {"type": "bandit", "interval": "1s", "policy": policy, **more}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy["type"]))
def test_every_policy_that_learns_finds_the_better_variant(policy: Json) -> None:
    rollout = release(strategy=bandit(policy), objective={"metric": "converted"}, limits={"maxStep": 10_000})
    world = Simulation(rollout, {"stable": Service(conversion=0.1), "canary": Service(conversion=0.5)})
    made = list(world.run(25))[-10:]
    # Of two arms, top-two gives both the same whoever leads: that is where it learns most.
    assert sum(one.weights["canary"] for one in made) / len(made) > (4_900 if policy["type"] == "topTwo" else 5_500)
    assert world.newest.rule == f"bandit: weights follow the policy {policy['type']}"


@pytest.mark.parametrize("policy", [{"type": "uniform"}, {"type": "exp3", "exploration": 1.0}], ids=str)
def test_a_policy_that_does_not_care_splits_evenly(policy: Json) -> None:
    world = Simulation(release(strategy=bandit(policy)), {"stable": Service(), "canary": Service(error_ratio=0.3)})
    world.run(10)
    assert world.newest.weights == {"stable": 5_000, "canary": 5_000}


@pytest.mark.parametrize("policy", [{"type": "adaptive"}, {"type": "thompson"}], ids=str)
def test_the_lesser_wins_where_the_objective_is_to_minimise(policy: Json) -> None:
    objective = {"metric": "converted", "goal": "minimize"}
    rollout = release(strategy=bandit(policy), objective=objective)
    world = Simulation(rollout, {"stable": Service(conversion=0.6), "canary": Service(conversion=0.2)})
    world.run(20)
    assert world.newest.weights["canary"] > 9_000


def test_rewards_need_not_lie_between_0_and_1_where_the_file_says_so() -> None:
    running = EvidenceRig()
    objective = {"metric": "revenue", "values": "real"}
    running.apply(release(strategy=bandit({"type": "thompson"}), objective=objective, limits={"maxStep": 10_000}))
    for second in range(5):
        running.now_ms += 1_000
        paid = [
            outcome(variant, running.now_ms, metric="revenue", value=mean + (n % 7) * 10 + second)
            for variant, mean in (("stable", -20.0), ("canary", 60.0))
            for n in range(50)
        ]
        effects = running.bring(*paid)
    assert decision(effects).weights["canary"] > 9_800


@pytest.mark.parametrize(
    ("policy", "objective", "words"),
    [
        ({"type": "klUcb"}, {"metric": "revenue", "values": "real"}, "strategy.policy: policy klUcb: expected rewards"),
        (
            {"type": "adaptive"},
            {"metric": "revenue", "values": "real"},
            "policy adaptive: expected rewards from 0 to 1",
        ),
        ({"type": "tompson"}, {}, "thompson"),
        ({"type": "segmented"}, {}, "strategy.policy: segmented needs segments, and the file names none"),
        ({"type": "linear"}, {}, "strategy.policy: linear needs segments"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(policy: Json, objective: Json, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        release(strategy=bandit(policy), objective=objective)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy["type"]))
def test_a_policy_continues_from_a_snapshot_to_the_last_bit(policy: Json) -> None:
    running = EvidenceRig()
    running.apply(release(strategy=bandit(policy)))
    for second in range(6):
        running.now_ms += 1_000
        running.bring(
            *[response("stable", running.now_ms)] * 20,
            *[response("canary", running.now_ms, status=500 if n < second else 200) for n in range(20)],
        )
    steady, restored = Ledger(), Ledger()
    for offset, (at_ms, record) in enumerate(running.log):
        expected = steady.advance(offset, at_ms, record)
        assert restored.advance(offset, at_ms, record) == expected
        restored = Ledger.restore([restored.snapshot()], [[fold.snapshot()] for fold in restored.releases.values()])


def test_an_outcome_that_comes_twice_is_told_once() -> None:
    running = EvidenceRig()
    running.apply(release(strategy=bandit({"type": "thompson"}), objective={"metric": "converted"}))
    running.now_ms += 1_000
    panes = running.panes(
        *[outcome("canary", running.now_ms, value=1.0)] * 30, outcome("stable", running.now_ms, value=0.0)
    )
    assert panes is not None
    first = decision(running.append(panes))
    running.now_ms += 1_000
    again = running.append(panes)
    assert all(made.decision.arms[1].trials == 30 for made in again.published)
    assert first.arms[1].trials == 30


@pytest.mark.parametrize("absurd", [2.0**20, -(2.0**20), 1.5])
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize(
    "strategy", [bandit({"type": "adaptive"}), bandit({"type": "exp3"}), {"type": "ensemble"}], ids=str
)
def test_an_outcome_that_is_no_share_is_as_if_it_had_never_come(strategy: Json, goal: str, absurd: float) -> None:
    rollout = release(strategy=strategy, objective={"metric": "converted", "goal": goal})
    told, spared = EvidenceRig(), EvidenceRig()
    for rig in (told, spared):
        rig.apply(rollout)
    for second in range(8):
        stable, canary = (
            [outcome(variant, NOW_MS + 1_000 * second, value=float(n % (3 + second % 2) == 0)) for n in range(20)]
            for variant in ("stable", "canary")
        )
        beside = [outcome("canary", NOW_MS + 1_000 * second, value=absurd)] if second == 4 else []
        made, expected = told.bring(*stable, *canary, *beside), spared.bring(*stable, *canary)
        told.now_ms = spared.now_ms = NOW_MS + 1_000 * (second + 1)
    ours, theirs = decision(made), decision(expected)
    assert (ours.weights, ours.arms, ours.seen.counted) == (theirs.weights, theirs.arms, theirs.seen.counted)
    assert (ours.seen.dead_lettered, theirs.seen.dead_lettered) == (1, 0)


def emitted_from(start: int, messages: Sequence[Sequence[Event]]) -> Panes:
    """What a builder emits that began at message `start`."""
    folding = builder()
    for offset, events in enumerate(messages):
        if offset >= start:
            folding.update(offset, NOW_MS, batch(*events))
    return emitted(folding)


def told_to_policy(of: ReleaseFold) -> tuple[float, float]:
    """Trials and rewards of the candidate, as plain Thompson sampling keeps them."""
    tally = msgspec.msgpack.decode(of.snapshot(), type=ReleaseSnapshot).learning["policy"]
    return tally["trials"][1], tally["rewards"][1]


def test_contents_that_are_replaced_are_told_as_they_are_in_the_end_and_never_more_successes_than_trials() -> None:
    messages = [[outcome(value=0.0)] * 20, [outcome(value=1.0)] * 5, [outcome(value=1.0)] * 5]
    tail, head, whole = emitted_from(1, messages), emitted_from(0, messages[:2]), emitted_from(0, messages)
    running, told = EvidenceRig(), []
    running.apply(release(strategy=bandit({"type": "thompson"}), objective={"metric": "converted"}))
    for panes in (tail, head, whole):
        running.now_ms += 1_000
        arm = decision(running.append(panes)).arms[1]
        told.append((arm.trials, arm.reward_sum, *told_to_policy(running.ledger.releases["checkout"])))
    assert told == [(10, 10.0, 10, 10), (25, 5.0, 25, 10), (30, 10.0, 30, 10)]


@pytest.mark.parametrize("policy", [{"type": "adaptive"}, {"type": "thompson"}], ids=str)
def test_contents_of_before_the_spec_may_be_replaced_by_lesser_ones(policy: Json) -> None:
    few, many = [outcome(value=1.0)], [outcome(value=1.0)] * 9
    running = EvidenceRig()
    running.apply(release(strategy=bandit(policy), objective={"metric": "converted"}))
    running.append(emitted_from(1, [few, many, many]))
    running.apply(release(strategy=bandit(policy), objective={"metric": "converted", "goal": "minimize"}))
    running.append(emitted_from(0, [few, few]))
    running.now_ms += 1_000
    made = decision(running.bring(outcome("stable", running.now_ms, value=1.0)))
    assert [(arm.trials, arm.reward_sum) for arm in made.arms] == [(1, 1.0), (0, 0.0)]
