"""What a what-if shows, in words and as plain data."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from trimtab.control.notation import revision_text, time_text
from trimtab.control.what_if import Step, WhatIf, Worth
from trimtab.engine.off_policy import Estimate, TooFew, Values
from trimtab.schemas.decision import Decision, Phase

_KNOWS: Final = (
    "What this can know: the evidence is what happened under the actual weights. Under others there would have been",
    "more of it from some variants and less from others, so that what follows a first difference is an approximation.",
    "The share that routed a request is its revision's, else that of its second; intervals take trials as independent.",
)
_ASKED_ALL: Final = "not estimated: every member of an ensemble answers every request, so no shares routed them"
_ESTIMATORS: Final = ("actual", "ips", "snips", "dr")


def lines_of(found: WhatIf) -> list[str]:
    """Gives the lines of one release."""
    name = found.release.name
    if not found.actual:
        return [f"{name}: nothing was decided in what is left of the log, so nothing else would have been"]
    lines = [f"{name}: {len(found.actual)} decisions were made, {len(found.other)} would have been"]
    if found.refused:
        lines.append(f"the other file would have been refused: {found.refused}")
    if not found.other:
        return lines
    for step, actual, other in _standing(found):
        if step.actual is not None:
            lines.append(f"{_place(step.actual)} was   {actual}: {step.actual.rule}")
        if step.other is not None:
            lines.append(f"{_place(step.other)} would {other}: {step.other.rule}")
    return [*lines, *([_ASKED_ALL] if found.asked_all else _worth(found, found.worth())), *_KNOWS]


def plain_of(found: WhatIf) -> dict[str, Any]:
    """Gives one release as plain data, with every decision."""
    steps = [
        {
            "revision": list(step.id),
            "actual": step.actual and _plain_decision(step.actual),
            "other": step.other and _plain_decision(step.other),
        }
        for step in found.steps()
    ]
    return {
        "release": found.release.name, "refused": found.refused, "decisions": steps, "worth": _plain_worth(found)
    }  # fmt: skip


def _standing(found: WhatIf) -> Iterator[tuple[Step, str, str]]:
    """Gives the moments at which weights or phase of either change, each with where both stand after it."""
    actual = other = ""
    for step in found.steps():
        now_actual = _stand(step.actual) if step.actual else actual
        now_other = _stand(step.other) if step.other else other
        changed = Step(
            step.id,
            step.actual if now_actual != actual else None,
            step.other if now_other != other else None,
        )
        actual, other = now_actual, now_other
        if changed.actual or changed.other:
            yield changed, actual, other


def _stand(made: Decision) -> str:
    weights = _weights(made.weights)
    for segment, of_segment in made.segments.items():
        weights += f"; {segment}: {_weights(of_segment)}"
    return weights if made.phase is Phase.PROGRESSING else f"{weights} {made.phase}"


def _weights(weights: Mapping[str, int]) -> str:
    return " ".join(f"{variant}={weight}" for variant, weight in weights.items())


def _place(made: Decision) -> str:
    return f"{time_text(made.time_ms)} {revision_text(made.id)}"


def _worth(found: WhatIf, worth: Worth) -> list[str]:
    objective = found.release.spec.objective
    better = "less" if objective.goal == "minimize" else "more"
    since, until = (time_text(second * 1000) for second in (worth.since_s, worth.until_s))
    lines = [f"mean {objective.metric} ({better} is better) from {since} to {until}, with 95 % intervals:"]
    if worth.unknown:
        lines.append(
            f"  from {until} on {worth.unknown} would have had traffic where it had none: nothing is known of that"
        )
    if worth.stray:
        lines.append(f"  left out: {worth.stray:g} trials of variants that had no share in their second")
    if isinstance(worth.values, TooFew):
        return [
            *lines,
            f"  not known: {worth.values.trials:g} trials, too few of them where the other file sends traffic",
        ]
    return [*lines, *[f"  {name:<6} {_estimate(getattr(worth.values, name))}" for name in _ESTIMATORS]]


def _estimate(one: Estimate) -> str:
    told = f"{one.value:.6g}"
    low, high = one.interval()
    told += f" ({low:.6g} to {high:.6g})" if one.standard_error else " (no interval: all trials had the same reward)"
    return f"{told}, {one.trials:g} trials worth {one.effective_trials:.6g}, greatest weight {one.greatest_weight:.4g}"


def _plain_decision(made: Decision) -> dict[str, Any]:
    return {
        "time_ms": made.time_ms, "phase": str(made.phase), "weights": made.weights, "segments": made.segments,
        "rule": made.rule,
    }  # fmt: skip


def _plain_worth(found: WhatIf) -> dict[str, Any] | None:
    if not found.actual or not found.other or found.asked_all:
        return None
    worth, objective = found.worth(), found.release.spec.objective
    return {
        "metric": objective.metric, "goal": objective.goal, "since_s": worth.since_s, "until_s": worth.until_s,
        "unknown_because_of": worth.unknown, "stray_trials": worth.stray,
        "estimates": _plain_values(worth.values) if isinstance(worth.values, Values) else None,
    }  # fmt: skip


def _plain_values(values: Values) -> dict[str, Any]:
    plain = {}
    for name in _ESTIMATORS:
        one: Estimate = getattr(values, name)
        plain[name] = {
            "value": one.value, "interval": list(one.interval()) if one.standard_error else None, "trials": one.trials,
            "effective_trials": one.effective_trials, "greatest_weight": one.greatest_weight,
        }  # fmt: skip
    return plain
