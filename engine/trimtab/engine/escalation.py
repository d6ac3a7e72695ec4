"""What to scale next: a walk over a chain of steps, given how much of each resource there is now.

* `toOne`: the first part that can, from the head to scale up and from the tail to scale down.
* `toAll`: every part that can, in order; a later part sees what an earlier one has changed.
* A step can as long as its resource is short of `max` (or over `min`); amounts outside are brought to the nearer of
  the two only in the direction of the walk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from trimtab.schemas.scaling import Escalation, Scale, ToAll

Amounts = Mapping[tuple[str, str], int]
"""(target, resource) -> how much there is; a target of its own is empty"""


class Direction(StrEnum):
    """Whether there should be more or less."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Change:
    """What one resource should go to."""

    target: str
    """empty for the variant itself"""
    resource: str
    before: int
    after: int

    def __str__(self) -> str:
        of_whom = f" of {self.target}" if self.target else ""
        return f"{self.resource}{of_whom} {self.before} -> {self.after}"


def escalate(escalation: Escalation, direction: Direction, amounts: Amounts) -> tuple[Change, ...]:
    """Gives the changes of one escalation; none where everything is at its limit.

    `amounts` has all resources of the escalation, as `least` does.

    >>> from trimtab.schemas.scaling import ToOne
    >>> chain = ToOne.model_validate({"type": "toOne", "escalations": [
    ...     {"type": "scaleInstances", "min": 1, "max": 3},
    ...     {"type": "scaleCpu", "min": 500, "max": 2000, "step": 500}]})
    >>> [str(change) for change in escalate(chain, Direction.UP, least(chain))]
    ['instances 1 -> 2']
    >>> [str(change) for change in escalate(chain, Direction.UP, {("", "instances"): 3, ("", "cpu"): 500})]
    ['cpu 500 -> 1000']
    """
    if isinstance(escalation, Scale):
        return _scaled(escalation, direction, amounts)
    if isinstance(escalation, ToAll):
        return _all(escalation, direction, amounts)
    parts = escalation.escalations if direction is Direction.UP else reversed(escalation.escalations)
    return next((changes for part in parts if (changes := escalate(part, direction, amounts))), ())


def least(escalation: Escalation) -> Amounts:
    """Gives every resource of an escalation at its `min`; at the greatest, where several steps scale the same one."""
    if isinstance(escalation, Scale):
        return {(escalation.target, escalation.resource): escalation.min}
    amounts: dict[tuple[str, str], int] = {}
    for part in escalation.escalations:
        for resource, amount in least(part).items():
            amounts[resource] = max(amount, amounts.get(resource, 0))
    return amounts


def changed(amounts: Amounts, changes: tuple[Change, ...]) -> Amounts:
    """Gives the amounts after the changes."""
    return {**amounts, **{(change.target, change.resource): change.after for change in changes}}


def _all(escalation: ToAll, direction: Direction, amounts: Amounts) -> tuple[Change, ...]:
    changes: tuple[Change, ...] = ()
    for part in escalation.escalations:
        of_part = escalate(part, direction, amounts)
        amounts, changes = changed(amounts, of_part), changes + of_part
    return changes


def _scaled(step: Scale, direction: Direction, amounts: Amounts) -> tuple[Change, ...]:
    before = amounts[step.target, step.resource]
    if direction is Direction.UP:
        after = max(before, min(max(before + step.step, step.min), step.max))
    else:
        after = min(before, max(min(before - step.step, step.max), step.min))
    return (Change(step.target, step.resource, before, after),) if after != before else ()
