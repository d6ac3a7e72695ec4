"""What a decision did and by which kind of rule, each one of a closed set: the labels of a counter."""

from typing import Final, NamedTuple

from trimtab.schemas.decision import Decision, Phase

RULES: Final = (
    "applied", "queued", "begins", "guardrail", "observed", "cooldown", "scaling",
    "canary", "bandit", "blue/green", "a/b", "shadow", "ensemble",
    "pause", "resume", "promote", "abort", "retry", "freeze", "set-weights",
    "paused", "frozen", "promoted", "rolled_back", "completed",
)  # fmt: skip
"""First words of rules; `chosen` is that of a variant that goes on to take all, any other counts as `other`."""

_INTO: Final = {
    Phase.PROGRESSING: "resume",
    Phase.PAUSED: "pause",
    Phase.FROZEN: "freeze",
    Phase.PROMOTED: "promote",
    Phase.ROLLED_BACK: "roll_back",
    Phase.COMPLETED: "complete",
}

ACTIONS: Final = ("start", *_INTO.values(), "exclude", "move", "hold")
"""`start`: its first; then what became of the phase; `exclude`: a variant was taken out; `move`: of weights."""


class Kind(NamedTuple):
    """What a decision did, and why."""

    action: str
    rule: str


def kind_of(before: Decision | None, made: Decision) -> Kind:
    """Gives the kind of a decision; `before` is the one that it replaces, None where there is none."""
    word = made.rule.replace(":", " ").split(" ", 1)[0].lower()
    other = "chosen" if made.rule.endswith(" takes all") else "other"
    return Kind(_action(before, made), word if word in RULES else other)


def _action(before: Decision | None, made: Decision) -> str:
    if before is None:
        return "start"
    if before.phase is not made.phase:
        return _INTO[made.phase]
    if {arm.variant for arm in made.arms if arm.excluded} - {arm.variant for arm in before.arms if arm.excluded}:
        return "exclude"
    return "move" if (before.weights, before.segments) != (made.weights, made.segments) else "hold"
