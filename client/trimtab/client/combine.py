"""One answer of several: how those of an ensemble's members come to one, by their weights.

* Weights are scaled to those who answered; where none of them has any weight, they count alike.
* A class without probabilities is taken for one that is certain; classes that are not named get nothing.
* Equal classes go by name, so that the same answers and weights always come to the same.
* A class and a number do not come to one, nor do numbers by `vote`, nor classes by `median`: a mistake in the release
  file, or a model that answers something else than its fellows. It is a `ValueError` that says whose.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from trimtab.schemas.combination import Combine


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered: a class, where it says so with probabilities of classes, or a number.

    Raises `ValueError` for both or neither, and for what is no number or no probability.

    >>> Answer(probabilities={"7": 0.75, "1": 0.25}).label
    '7'
    """

    label: str | None = None
    """the most probable class where only probabilities are told"""
    value: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, share in self.probabilities.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"probability of {name!r}: expected 0 to 1, got {share!r}")
        if self.label is None and self.probabilities:
            object.__setattr__(self, "label", _greatest(self.probabilities))
        if (self.label is None) == (self.value is None):
            raise ValueError(
                "an answer: expected a label, probabilities or a value, got both a class and a number, or none"
            )
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"value: expected a finite number, got {self.value!r}")


def combine(answers: Mapping[str, Answer], weights: Mapping[str, float], how: Combine) -> Answer:
    """Gives the one answer; `weights`: member -> anything of one scale, at least 0. Raises `ValueError`.

    >>> told = {"v1": Answer(probabilities={"7": 0.9, "1": 0.1}), "v2": Answer(probabilities={"7": 0.2, "1": 0.8})}
    >>> combine(told, {"v1": 6_000, "v2": 4_000}, "mean").probabilities
    {'7': 0.62, '1': 0.38}
    >>> combine({"v1": Answer(value=3.0), "v2": Answer(value=90.0)}, {"v1": 6_000, "v2": 4_000}, "median").value
    3.0
    """
    if not answers:
        raise ValueError("expected at least one answer, got none")
    _check_kind(answers, how)
    shares = _scaled({member: weights.get(member, 0.0) for member in answers})
    if how == "median":
        return Answer(value=_median([(_number(answer), shares[member]) for member, answer in answers.items()]))
    if any(answer.value is not None for answer in answers.values()):
        return Answer(value=math.fsum(shares[member] * _number(answer) for member, answer in answers.items()))
    return Answer(probabilities=_mixed(answers, shares, how))


def _check_kind(answers: Mapping[str, Answer], how: Combine) -> None:
    numbers = [member for member, answer in answers.items() if answer.value is not None]
    classes = [member for member in answers if member not in numbers]
    match how:
        case "vote" if numbers:
            raise ValueError(f"combine: vote: expected classes, got a number from {', '.join(numbers)}")
        case "median" if classes:
            raise ValueError(f"combine: median: expected numbers, got a class from {', '.join(classes)}")
        case "mean" if numbers and classes:
            raise ValueError(
                f"combine: mean: expected answers of one kind, got a number from {', '.join(numbers)}"
                f" and a class from {', '.join(classes)}"
            )
        case "mean" | "vote" | "median":
            return
        case _:
            assert_never(how)


def _scaled(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    if total <= 0.0:
        return dict.fromkeys(weights, 1.0 / len(weights))
    return {member: weight / total for member, weight in weights.items()}


def _number(answer: Answer) -> float:
    assert answer.value is not None  # noqa: S101 - `_check_kind` has seen to it
    return answer.value


def _mixed(answers: Mapping[str, Answer], shares: Mapping[str, float], how: Combine) -> dict[str, float]:
    """Gives what each class has in the end: of probabilities, or of votes."""
    parts: dict[str, list[float]] = {}
    for member, answer in answers.items():
        given = answer.probabilities if how == "mean" else {}
        for name, share in (given or {str(answer.label): 1.0}).items():
            parts.setdefault(name, []).append(shares[member] * share)
    # Not beyond 1, whatever the rounding.
    return {name: min(1.0, round(math.fsum(each), 12)) for name, each in parts.items()}


def _greatest(shares: Mapping[str, float]) -> str:
    return min(shares, key=lambda name: (-shares[name], name))


def _median(values: list[tuple[float, float]]) -> float:
    """Gives the weighted median: the middle of the two next to it, where just half of the weight is on either side."""
    below, ordered = 0.0, sorted(value for value in values if value[1] > 0.0)
    for place, (value, share) in enumerate(ordered):
        below += share
        if math.isclose(below, 0.5, abs_tol=1e-9):
            return (value + ordered[place + 1][0]) / 2
        if below > 0.5:  # noqa: PLR2004 - half
            break
    return value
