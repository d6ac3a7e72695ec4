"""A user's own policy at the wheel of a release, and what becomes of one that cannot be."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.builders import Json, release
from engine.evidence_rig import EvidenceRig, decision
from engine.segment_rig import restored, run
from trimtab.engine.errors import EngineError
from trimtab.engine.ledger import Ledger
from trimtab.engine.policy.build import Factories
from trimtab.engine.policy.guest import Parameters
from trimtab.engine.policy.policy import Batch, Policy, Snapshot

FAILURES = {"": {"stable": 0.5, "canary": 0.0}}


class Fixed:
    """Gives the last variant a share that its parameters say; counts what it was told."""

    def __init__(self, arms: int, share: float) -> None:
        self._arms, self._share, self.trials = arms, share, 0.0

    def update(self, batch: Batch) -> None:
        self.trials += sum(batch.trials)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002
        if self.trials > 400 and self._share == 0.3:
            raise RuntimeError("out of ideas")
        return [(1 - self._share) / (self._arms - 1)] * (self._arms - 1) + [self._share]

    def snapshot(self) -> Snapshot:
        return {"trials": self.trials}

    def restore(self, snapshot: Snapshot) -> None:
        self.trials = snapshot["trials"]


def fixed(arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:
    assert not real_valued
    share = parameters.get("share", 0.0)
    if not isinstance(share, float):
        raise ValueError(f"share: expected a number, got {share!r}")  # noqa: TRY004 - what a factory raises
    return Fixed(len(arms), share)


def broken(arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:
    raise RuntimeError(f"no licence for {len(arms)} {parameters} {real_valued}")


def nothing(arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:  # noqa: ARG001
    return None  # type: ignore[return-value]  # the point of it


def unkept(arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:  # noqa: ARG001
    made = Fixed(len(arms), 0.5)
    made.trials = object()  # type: ignore[assignment]  # the point of it
    return made


FACTORIES: Factories = {"fixed": fixed, "broken": broken, "nothing": nothing, "unkept": unkept}


def mine(name: str = "fixed", **parameters: Any) -> Json:
    return {"type": "entryPoint", "name": name, "parameters": parameters}


def rig(policy: Json) -> EvidenceRig:
    made = EvidenceRig(Ledger(factories=FACTORIES))
    made.apply(release(strategy={"type": "bandit", "policy": policy}))
    return made


def test_weights_follow_a_policy_of_ones_own() -> None:
    running = rig(mine(share=0.8))
    newest = run(running, FAILURES, 6)[-1]
    assert newest.weights == {"stable": 2_000, "canary": 8_000}
    assert newest.rule == "bandit: weights follow the policy entryPoint"


def test_it_may_be_a_member_of_a_mixture() -> None:
    members = [{"policy": mine(share=0.8)}, {"policy": {"type": "uniform"}}]
    assert run(rig({"type": "mixture", "members": members}), FAILURES, 6)[-1].weights["canary"] == 6_500


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (
            mine("fixd"),
            "strategy.policy: expected an entry point of trimtab.policies out of fixed, broken, nothing, unkept; got",
        ),
        (mine(share="much"), "release checkout: strategy.policy: share: expected a number, got 'much'"),
        (mine("broken"), "release checkout: strategy.policy: RuntimeError('no licence for 2 {} False')"),
        (
            mine("nothing"),
            "policy nothing: expected an object with update, shares, snapshot, restore; it lacks update,",
        ),
        (mine("unkept"), "strategy.policy: policy unkept: expected a snapshot of plain data, got TypeError("),
        (
            {"type": "mixture", "members": [{"policy": mine("unkept")}]},
            "policy unkept: expected a snapshot of plain data",
        ),
        ({"type": "mixture", "members": [{"policy": mine("fxed", share=0.5)}]}, "did you mean fixed?"),
    ],
    ids=["unknown", "parameters", "raises", "nothing", "unkept", "unkept member", "member"],
)
def test_a_release_whose_policy_cannot_be_made_is_rejected_with_the_reason(policy: Json, reason: str) -> None:
    running = EvidenceRig(Ledger(factories=FACTORIES))
    effects = running.apply(release(strategy={"type": "bandit", "policy": policy}))
    assert reason in effects.rejected
    assert running.ledger.releases == {}
    assert decision(running.apply(release())).phase == "progressing"


def test_another_spec_with_such_a_policy_leaves_the_release_as_it_is() -> None:
    running = rig(mine(share=0.8))
    before = run(running, FAILURES, 6)[-1]
    assert running.apply(release(strategy={"type": "bandit", "policy": mine("nobody")})).rejected
    assert run(running, FAILURES, 1)[-1].weights == before.weights


def test_a_worker_without_the_policy_does_not_go_on_with_another() -> None:
    running = rig(mine(share=0.8))
    with pytest.raises(
        EngineError,
        match=r"not a snapshot of a release: expected an entry point of trimtab\.policies out of \(none\); got 'fixed'",
    ):
        restored(running.ledger)


def test_what_it_does_wrong_is_told_and_the_last_right_shares_stay() -> None:
    made = run(rig(mine(share=0.3)), FAILURES, 12)
    assert made[0].rule == "bandit: weights follow the policy entryPoint"
    assert made[-1].rule == (
        "bandit: weights follow the policy entryPoint; policy fixed: shares raised RuntimeError('out of ideas')"
    )
    assert made[-1].weights == {"stable": 7_000, "canary": 3_000}


def test_what_a_member_of_a_mixture_does_wrong_is_told_too() -> None:
    made = run(rig({"type": "mixture", "members": [{"policy": mine(share=0.3)}]}), FAILURES, 12)
    assert made[-1].rule == (
        "bandit: weights follow the policy mixture; policy fixed: shares raised RuntimeError('out of ideas')"
    )


def test_a_replay_and_a_restart_with_the_same_policy_decide_the_same() -> None:
    running = rig(mine(share=0.3))
    run(running, FAILURES, 12)
    steady, interrupted = Ledger(factories=FACTORIES), Ledger(factories=FACTORIES)
    for offset, (at_ms, record) in enumerate(running.log):
        assert interrupted.advance(offset, at_ms, record) == steady.advance(offset, at_ms, record)
        interrupted = restored(interrupted, factories=FACTORIES)
    assert steady.releases["checkout"].snapshot() == running.ledger.releases["checkout"].snapshot()
