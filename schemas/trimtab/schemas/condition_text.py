"""Conditions in a release file: texts that can be routed by, and no more of them than a proxy should try."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from trimtab.schemas.condition import MAX_LENGTH, All, Condition, ConditionError, parse
from trimtab.schemas.ways import Way, ways

MAX_ROUTES: Final = 256
"""Ways in which a release's conditions hold, all of them together: a proxy tries one after the other."""


def _can_hold(text: str) -> str:
    if not ways(parse(text)):
        raise ConditionError("expected a condition that can hold, found one that contradicts itself")
    return text


ConditionText = Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(_can_hold)]
"""Text that `trimtab.schemas.condition` describes."""


def all_of(texts: Iterable[str]) -> Condition | None:
    """Gives the condition that all of `texts` hold, the empty ones left out; none where nothing is left.

    >>> all_of(["", "has header X"])
    Check(field='header', match='present', value='', name='x')
    """
    parts = [parse(text) for text in texts if text]
    return All(tuple(parts)) if len(parts) > 1 else parts[0] if parts else None


def ways_of(*texts: str) -> tuple[Way, ...]:
    """Gives the ways in which all of `texts` hold; one without terms where all are empty."""
    condition = all_of(texts)
    return ((),) if condition is None else ways(condition)


def check_conditions(overall: str, own: Iterable[tuple[str, str]]) -> None:
    """Raises `ValueError` where the conditions of `own` (field, text) come to too much within that of the route."""
    total = len(ways_of(overall))
    for field, text in own:
        try:
            total += len(ways_of(overall, text))
        except ConditionError as error:
            raise ValueError(f"{field}: together with that of the route: {error}") from None
    if total > MAX_ROUTES:
        raise ValueError(
            f"route: conditions of variants and segments hold in {total} ways within that of the route,"
            f" expected at most {MAX_ROUTES}"
        )
