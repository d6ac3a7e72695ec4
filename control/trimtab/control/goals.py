"""Preferences as one word of a command line or of an address, and what is wrong with a query."""

from pydantic import ValidationError


def read_goals(text: str) -> tuple[str, ...] | dict[str, float]:
    """Gives the order, or the weights, that a text stands for. Raises `ValueError` for what is neither.

    >>> read_goals("accuracy,min cost"), read_goals("accuracy=0.7,cost=0.3")
    (('accuracy', 'min cost'), {'accuracy': 0.7, 'cost': 0.3})
    """
    terms = [term.strip() for term in text.split(",")] if text.strip() else []
    weighed = [term.rpartition("=") for term in terms]
    with_weights = [bool(sign) for _, sign, _ in weighed]
    if not any(with_weights):
        return tuple(terms)
    if not all(with_weights):
        raise ValueError(f"expected METRIC,METRIC or METRIC=WEIGHT,METRIC=WEIGHT, got some of both: {text!r:.120}")
    try:
        return {goal.strip(): float(weight) for goal, _, weight in weighed}
    except ValueError:
        raise ValueError(f"expected numbers as weights, got {text!r:.120}") from None


def first_mistake(error: ValidationError) -> tuple[str, str]:
    """Gives the field that a query is refused for, and why.

    Where a value may be of several kinds, what is wrong within it says more than that it is none of the others.
    """
    one = min(error.errors(), key=lambda detail: detail["type"].endswith("_type"))
    return str(one["loc"][0]), str(one.get("ctx", {}).get("error", one["msg"]))
