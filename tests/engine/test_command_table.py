"""What may be ordered of a release: every command, in every phase, of every strategy."""

import pytest

from engine.builders import Json, error_rate, release
from engine.evidence_rig import EvidenceRig, decision
from engine.simulation import Service, Simulation
from trimtab.engine.ledger import Effects
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.evidence import Command

STRATEGIES: dict[str, Json] = {
    "canary": {"type": "canary", "steps": [1_000, 5_000], "hold": "1h"},
    "blueGreen": {"type": "blueGreen", "preview": 500, "verify": "1h"},
    "abTest": {"type": "abTest"},
    "shadow": {"type": "shadow", "duration": "1h"},
    "bandit": {"type": "bandit", "policy": {"type": "uniform"}},
}
HAS_STEPS = ("canary", "blueGreen", "shadow")
ORDERS: dict[str, Json] = {
    "pause": {"action": "pause"},
    "resume": {"action": "resume"},
    "freeze": {"action": "freeze"},
    "abort": {"action": "abort"},
    "retry": {"action": "retry"},
    "set-weights": {"action": "set-weights", "weights": {"stable": 4_000, "canary": 6_000}},
    "exclude": {"action": "exclude", "variant": "canary"},
    "promote": {"action": "promote", "variant": "canary"},
    "promote one step": {"action": "promote", "full": False},
}
LED_TO = {
    "progressing": (),
    "paused": ("pause",),
    "frozen": ("freeze",),
    "rolled_back": ("abort",),
    "promoted": ("promote",),
    "queued": (),
}
"""phase -> the orders that lead to it"""
OVER = ("rolled_back", "promoted")
NEXT = {
    "pause": Phase.PAUSED, "resume": Phase.PROGRESSING, "freeze": Phase.FROZEN, "abort": Phase.ROLLED_BACK,
    "retry": Phase.PROGRESSING, "set-weights": Phase.PAUSED, "exclude": Phase.ROLLED_BACK,
}  # fmt: skip
"""order -> the phase after it, wherever it is allowed"""


def ordered(rig: EvidenceRig, order: str) -> Effects:
    return rig.append(Command(release="checkout.2", **ORDERS[order]))  # type: ignore[arg-type]  # JSON


def in_phase(strategy: str, phase: str) -> EvidenceRig:
    """A release of a strategy that has been led to a phase."""
    rig = EvidenceRig()
    if phase == "queued":
        rig.apply(release("checkout"))
    rig.apply(release("checkout.2", strategy=STRATEGIES[strategy], limits={"maxStep": 10_000}))
    rig.wait(1_500)
    for order in LED_TO[phase]:
        assert decision(ordered(rig, order)).phase == phase
    return rig


def refusal_of(phase: str, order: str) -> str:
    """Why an order is refused in a phase; empty where it is followed."""
    if phase == "queued" and order != "abort":
        return "it waits for checkout, which has the traffic of the same service"
    if order == "exclude":
        return "the release is over (rolled_back), and canary has no traffic" if phase == "rolled_back" else ""
    return f"the release is over ({phase})" if phase in OVER and order != "retry" else ""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("phase", LED_TO)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_allowed_is_followed_and_all_else_refused_with_its_reason(
    strategy: str, phase: str, order: str
) -> None:
    rig = in_phase(strategy, phase)
    state = rig.ledger.releases["checkout.2"]._state
    before = (state.phase, list(state.weights), state.newest)
    effects = ordered(rig, order)
    if refusal := refusal_of(phase, order):
        assert effects.rejected == f"{ORDERS[order]['action']}: release checkout.2: {refusal}"
        assert effects.published == []
        assert (state.phase, list(state.weights), state.newest) == before
        return
    made = decision(effects)
    assert made.rule == f"{ORDERS[order]['action']} by an operator"
    assert made.replaces == before[2]
    check(strategy, order, made, before[1])


def check(strategy: str, order: str, made: Decision, before: list[int]) -> None:
    """What has to have come of an order that was followed."""
    weights = list(made.weights.values())
    match order:
        case "abort" | "exclude":
            assert weights == [10_000, 0]
        case "set-weights":
            assert weights == [4_000, 6_000]
        case "promote":
            assert (made.phase, weights) == (Phase.PROMOTED, [0, 10_000])
        case "promote one step" if strategy not in HAS_STEPS:
            assert made.phase is Phase.PROMOTED
        case "promote one step":
            assert made.phase is (Phase.COMPLETED if strategy == "shadow" else Phase.PROGRESSING)
        case _:
            assert weights == before
    assert made.phase is NEXT.get(order, made.phase)


ACTIONS = ("abort", "stepBack", "pause", "hold")
GOOD, FAULTY = Service(error_ratio=0.001), Service(error_ratio=0.4)
WATCHED: dict[str, Json] = {
    **STRATEGIES,
    "canary": {"type": "canary", "steps": [1_000, 3_000, 5_000], "hold": "4s"},
    "blueGreen": {"type": "blueGreen", "preview": 1_000, "verify": "2s", "watch": "1h"},
}


@pytest.mark.parametrize("severity", ["critical", "ordinary", "signal", "muted"])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("strategy", WATCHED)
def test_a_guardrail_does_what_it_says_in_every_strategy(strategy: str, action: str, severity: str) -> None:
    services = {"stable": GOOD, "canary": GOOD}
    rail = error_rate(0.05, onFail=action, severity=severity)
    world = Simulation(release(strategy=WATCHED[strategy], guardrails=[rail]), services, copies={"canary": 30.0})
    world.run(8)
    before = world.newest
    services["canary"] = FAULTY
    made = list(world.run(6))
    reacted = [one for one in made if one.rule.startswith("guardrail: ")]
    if severity in ("signal", "muted"):
        assert not reacted
        assert bool(world.newest.assessments) == (severity == "signal")
        return
    first = reacted[0]
    match action:
        case "abort":
            assert (first.phase, first.weights["canary"]) == (Phase.ROLLED_BACK, 0)
        case "pause":
            assert (first.phase, first.weights) == (Phase.PAUSED, weights_before(made, first, before))
        case "stepBack" if before.step:
            assert (first.phase, first.step) == (Phase.PROGRESSING, before.step - 1)
        case _:
            assert first.rule.startswith("guardrail: weights are held")
            assert first.weights == weights_before(made, first, before)


def weights_before(made: list[Decision], one: Decision, before: Decision) -> dict[str, int]:
    at = made.index(one)
    return made[at - 1].weights if at else before.weights
