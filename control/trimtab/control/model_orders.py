"""What has to be ordered of a release so that no model answers that must not: pure, from what is known of both.

* A candidate whose model must not be used is excluded, at once, whatever the release's phase.
* A baseline's traffic goes to the other variants that may have it, in their proportions, and the release is paused: who
  is the baseline is for a person to say. Without any other its query's next model takes its place, and where there is
  none the release is paused, and says that it cannot help it.
* A query that means another model now has it from the next spec on, in which the variant begins without traffic.
* A query that means no model, while the one that it meant is not revoked, holds the release.
"""

from collections.abc import Sequence
from typing import NamedTuple

from trimtab.control.model_arms import Judged, with_models
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.evidence import Command
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.release import Release

ACTOR = "trimtab models"


class Orders(NamedTuple):
    """What to do, in this order."""

    commands: list[Command]
    release: Release | None
    """to be applied after them"""
    helpless: str
    """why a model goes on answering that must not; empty where none does"""


def orders(release: Release, decision: Decision, judged: Sequence[Judged]) -> Orders:
    """Gives what is to be ordered; nothing for a release that waits for another, which has no traffic."""
    if decision.queued_behind and not decision.phase.is_over:
        return Orders([], None, "")
    of_baseline = next((one for one in judged if one.variant == release.spec.baseline), None)
    gone = [one for one in judged if one.fate == "goes" and one.variant != release.spec.baseline]
    commands = [_command(decision, "exclude", one, variant=one.variant) for one in gone if _has_to_go(decision, one)]
    replaced = {one.variant: one.instead for one in gone if one.instead is not None}
    helpless = ""
    if of_baseline is not None and of_baseline.fate == "goes" and _weight(decision, of_baseline.variant):
        moved, helpless = _without_baseline(release, decision, judged, of_baseline)
        commands += moved
        if helpless and of_baseline.instead is not None:
            replaced[of_baseline.variant], helpless = of_baseline.instead, ""
    held = next((one for one in judged if one.fate == "holds"), None)
    if held is not None and decision.phase is Phase.PROGRESSING and not commands:
        commands = [_command(decision, "pause", held)]
    return Orders(commands, _replaced(release, decision, replaced), helpless)


def _has_to_go(decision: Decision, one: Judged) -> bool:
    if decision.phase.is_over:
        return _weight(decision, one.variant) > 0
    return not any(arm.variant == one.variant and arm.excluded for arm in decision.arms)


def _weight(decision: Decision, variant: str) -> int:
    weights = [decision.weights, *decision.segments.values()]
    return max(each.get(variant, 0) for each in weights)


def _without_baseline(
    release: Release, decision: Decision, judged: Sequence[Judged], baseline: Judged
) -> tuple[list[Command], str]:
    """Gives what takes the baseline's traffic away, or why nothing can."""
    lost = {one.variant for one in judged if one.fate == "goes"} | {
        arm.variant for arm in decision.arms if arm.excluded
    }
    others = {name: decision.weights.get(name, 0) for name in (one.name for one in release.spec.variants)}
    others = {name: weight for name, weight in others.items() if name not in lost and name != baseline.variant}
    if others and not decision.phase.is_over:
        return [_command(decision, "set-weights", baseline, weights=dealt(others))], ""
    why = f"{baseline.variant} is the baseline, and no other variant may have its traffic: {baseline.why}"
    held = _command(decision, "pause", baseline._replace(why=why))
    return [held] if decision.phase is Phase.PROGRESSING and baseline.instead is None else [], why


def dealt(among: dict[str, int]) -> dict[str, int]:
    """Gives all traffic dealt among variants, as they have it now or evenly where they have none.

    >>> dealt({"v2": 100, "v3": 200}), dealt({"v2": 0, "v3": 0})
    ({'v2': 3333, 'v3': 6667}, {'v2': 5000, 'v3': 5000})
    """
    total = sum(among.values())
    shares = {name: (weight if total else 1) * BASIS_POINTS // (total or len(among)) for name, weight in among.items()}
    last = list(shares)[-1]
    return {**shares, last: shares[last] + BASIS_POINTS - sum(shares.values())}


def _command(decision: Decision, action: str, one: Judged, **more: object) -> Command:
    return Command(release=decision.release, action=action, reason=one.why, actor=ACTOR, **more)  # type: ignore[arg-type]  # one of them


def _replaced(release: Release, decision: Decision, models: dict[str, ModelRef]) -> Release | None:
    return with_models(release, models) if models and not decision.phase.is_over else None
