"""Blue/green: the candidate is looked at, takes all traffic at once, and is looked at again with the way back open.

Step 0 is before the switch, step 1 after it. A guardrail that fails sends all traffic back to the baseline at once, as
with every strategy; the release ends, and the way back is closed, when the look after the switch is over.
"""

from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.engine.strategy.steps import WAITS_FOR_A_PERSON, shares, waits_for
from trimtab.schemas.strategy import BlueGreen

_BEFORE, _AFTER = 0, 1


def blue_green(situation: Situation, spec: BlueGreen) -> Move:
    """Gives the preview before the switch, and all traffic for the candidate from then on."""
    (candidate,) = situation.candidates
    name, switched = situation.name(candidate), all_to(candidate, len(situation.weights))
    if situation.step == _BEFORE:
        waits = "" if situation.is_cleared else _before(situation, spec)
        if waits:
            return Move(shares(situation, spec.preview), f"blue/green before the switch: {waits}", _BEFORE)
        return Move(switched, f"blue/green: {name} takes all traffic, the way back stays open", _AFTER)
    waits = "" if situation.is_cleared else waits_for(situation, situation.room, spec.watch, spec.min_responses)
    if waits:
        return Move(switched, f"blue/green after the switch: {waits}", _AFTER)
    return Move(switched, f"blue/green: {name} has passed after the switch", _AFTER, candidate)


def _before(situation: Situation, spec: BlueGreen) -> str:
    waits = waits_for(situation, spec.preview, spec.verify, spec.min_responses)
    return waits or (WAITS_FOR_A_PERSON if spec.switch == "manual" else "")
