"""What is believed before anything has come, and what a shadow phase leaves to the strategy after it."""

import pytest

from engine.builders import Json, error_rate, outcome, release, response
from engine.evidence_rig import EvidenceRig, decision
from trimtab.engine.ledger import Ledger
from trimtab.engine.posterior import NormalInverseGamma
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.release import Release

TAKES_ONE = ("adaptive", "thompson", "discounted", "sliding", "klUcb", "ucb", "epsilonGreedy")
FOR_CANARY: Json = {"variants": {"stable": {"mean": 0.2, "strength": 300}, "canary": {"mean": 0.4, "strength": 300}}}


def bandit(policy: str = "thompson", *, prior: Json | None = FOR_CANARY, **objective: object) -> Release:
    said = {"metric": "converted", **objective, **({"prior": prior} if prior else {})}
    return release(strategy={"type": "bandit", "policy": {"type": policy}}, limits={"maxStep": 10_000}, objective=said)


def first_move(applied: Release) -> Decision:
    """What a release decides after a single observation of each variant."""
    rig = EvidenceRig()
    rig.apply(applied)
    rig.wait(1_000)
    return decision(rig.bring(outcome("stable", value=0.5), outcome("canary", value=0.5)))


def test_a_prior_is_in_the_posterior_and_not_among_the_trials() -> None:
    stable, canary = first_move(bandit()).arms
    assert (canary.trials, canary.reward_sum) == (1, 0.5)
    assert (canary.prior_trials, canary.prior_reward_sum) == (300, 120)
    assert (canary.alpha, canary.beta) == pytest.approx((1 + 0.5 + 120, 1 + 0.5 + 180))
    assert (stable.alpha, stable.beta) == pytest.approx((1 + 0.5 + 60, 1 + 0.5 + 240))
    assert canary.probability_best > 0.999


@pytest.mark.parametrize("policy", TAKES_ONE)
def test_a_policy_begins_with_its_prior(policy: str) -> None:
    assert first_move(bandit(policy)).weights["canary"] > 8_000
    flipped: Json = {"variants": {name: {"mean": mean, "strength": 300}
                                  for name, mean in (("stable", 0.4), ("canary", 0.2))}}  # fmt: skip
    assert first_move(bandit(policy, prior=flipped)).weights["canary"] < 2_000


@pytest.mark.parametrize("policy", TAKES_ONE)
def test_less_is_better_where_the_objective_is_minimised(policy: str) -> None:
    assert first_move(bandit(policy, goal="minimize")).weights["canary"] < 2_000


def test_of_real_values_that_are_minimised_the_lower_prior_is_the_better() -> None:
    prior: Json = {"variants": {"stable": {"mean": 10, "strength": 50, "deviation": 4},
                                "canary": {"mean": 14, "strength": 50, "deviation": 4}}}  # fmt: skip
    more, less = (first_move(bandit(prior=prior, values="real", goal=goal)) for goal in ("maximize", "minimize"))
    assert [arm.mean for arm in less.arms] == pytest.approx([-arm.mean for arm in more.arms])
    assert [arm.scale for arm in less.arms] == pytest.approx([arm.scale for arm in more.arms])
    assert less.weights["canary"] < 200


def test_one_prior_for_all_favours_nobody() -> None:
    made = first_move(bandit(prior={"mean": 0.3, "strength": 100}))
    assert made.weights == {"stable": 5_000, "canary": 5_000}
    assert [arm.mean for arm in made.arms] == pytest.approx([(1 + 30.5) / 103] * 2)


def test_evidence_outweighs_a_prior_that_was_wrong() -> None:
    rig = EvidenceRig()
    rig.apply(bandit())
    for _ in range(30):
        rig.wait(1_000)
        newest = rig.bring(*[outcome(name, rig.now_ms, value=float(n % 10 < hits))
                             for name, hits in (("stable", 4), ("canary", 2)) for n in range(200)])  # fmt: skip
    assert decision(newest).arms[0].probability_best > 0.999


def test_real_values_begin_with_their_prior_and_a_deviation() -> None:
    """Normal-inverse-gamma by the textbook: start at the mean of all, believe, observe."""
    prior: Json = {"variants": {"stable": {"mean": 10, "strength": 50, "deviation": 4},
                                "canary": {"mean": 14, "strength": 50, "deviation": 4}}}  # fmt: skip
    made = first_move(bandit(prior=prior, values="real"))
    stable, canary = made.arms
    trials, total = [51.0, 51.0], [500.5, 700.5]
    squares = [50 * (10**2 + 4**2) + 0.25, 50 * (14**2 + 4**2) + 0.25]
    mean = sum(total) / 102
    start = NormalInverseGamma(mean, 1.0, 1.0, sum(squares) / 102 - mean * mean)
    expected = [start.updated(*sums) for sums in zip(trials, total, squares, strict=True)]
    assert [arm.mean for arm in made.arms] == pytest.approx([one.mean for one in expected])
    assert [arm.scale for arm in made.arms] == pytest.approx([one.scale for one in expected])
    assert [arm.degrees for arm in made.arms] == [53.0, 53.0]
    assert (stable.alpha, stable.beta) == (0.0, 0.0)
    assert canary.probability_best > 0.99
    assert made.weights["canary"] > 9_800


def test_real_values_far_from_a_share_are_told_apart_without_a_prior() -> None:
    rig = EvidenceRig()
    rig.apply(bandit(prior=None, values="real", goal="minimize"))
    for _ in range(3):
        rig.wait(1_000)
        newest = rig.bring(*[outcome(name, rig.now_ms, value=base + n % 5)
                             for name, base in (("stable", 40.0), ("canary", 30.0)) for n in range(50)])  # fmt: skip
    stable, canary = decision(newest).arms
    assert (round(stable.mean), round(canary.mean)) == (-42, -32)
    assert canary.probability_best > 0.999


SHADOW: Json = {"type": "shadow", "duration": "2s", "minResponses": 50}


def shadowed(*, seconds: int = 4, failing: int = 20) -> EvidenceRig:
    """A release whose shadow phase saw one of `failing` copies fail, and one of five at the baseline."""
    rig = EvidenceRig()
    rig.apply(release(strategy=SHADOW, guardrails=[error_rate(0.5)]))
    for _ in range(seconds):
        rig.wait(1_000)
        rig.bring(
            *[response("stable", rig.now_ms, status=500 if n % 5 == 0 else 200) for n in range(100)],
            *[response("canary", rig.now_ms, status=500 if n % failing == 0 else 200) for n in range(100)],
        )
    return rig


def seeded(rig: EvidenceRig, *, strength: float | None = None, objective: Json | None = None) -> Decision:
    prior = {"from": "shadow"} if strength is None else {"from": "shadow", "strength": strength}
    said = {"prior": prior, **(objective or {})}
    return decision(rig.apply(release(objective=said, limits={"maxStep": 10_000})))


@pytest.mark.parametrize(("strength", "worth"), [(None, 200.0), (100.0, 100.0), (1e6, 400.0)])
def test_a_release_starts_from_what_its_shadow_phase_saw_up_to_a_cap(strength: float | None, worth: float) -> None:
    rig = shadowed()
    assert rig.ledger.releases["checkout"]._state.phase is Phase.COMPLETED
    made = seeded(rig, strength=strength)
    assert [arm.trials for arm in made.arms] == [0, 0]
    assert [arm.prior_trials for arm in made.arms] == pytest.approx([worth, worth])
    assert [arm.prior_reward_sum / arm.prior_trials for arm in made.arms] == pytest.approx([0.8, 0.95])
    assert made.reasons[-1].startswith("prior: from the shadow phase, stable ")
    rig.wait(1_000)
    assert decision(rig.bring(response("stable"), response("canary"))).weights["canary"] > 9_000


def test_a_shadow_phase_that_did_not_complete_leaves_nothing() -> None:
    made = seeded(shadowed(seconds=1))
    assert [arm.prior_trials for arm in made.arms] == [0.0, 0.0]
    assert made.reasons[-1] == ("prior: no shadow phase of this objective has completed before, so nothing is believed")


def test_a_shadow_phase_of_another_objective_leaves_nothing() -> None:
    made = seeded(shadowed(), objective={"metric": "converted"})
    assert [arm.prior_trials for arm in made.arms] == [0.0, 0.0]


def test_what_a_shadow_phase_saw_outlives_a_retry_and_a_restart() -> None:
    rig = shadowed()
    seeded(rig)
    rig.ledger = Ledger.restore([rig.ledger.snapshot()], [[rig.ledger.releases["checkout"].snapshot()]])
    rig.command("abort")
    again = decision(rig.command("retry"))
    assert [arm.prior_trials for arm in again.arms] == pytest.approx([200.0, 200.0])


def test_a_policy_with_a_prior_survives_a_restart() -> None:
    rig = EvidenceRig()
    rig.apply(bandit("adaptive"))
    rig.wait(1_000)
    rig.bring(outcome("stable", value=1.0))
    before = rig.ledger.releases["checkout"].snapshot()
    rig.ledger = Ledger.restore([rig.ledger.snapshot()], [[before]])
    assert rig.ledger.releases["checkout"].snapshot() == before
    rig.wait(1_000)
    restored = rig.bring(outcome("canary", value=1.0))
    assert restored == rig.replay()[-1]
