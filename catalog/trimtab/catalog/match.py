"""Whether models satisfy a constraint: yes (True), no (False), or not known (None), which is no yes.

Each term of a query is answered for all models at once, in their order: one pass over a list.
"""

import operator
from collections.abc import Callable
from typing import Any, Final, assert_never

from trimtab.catalog.view import Snapshot
from trimtab.schemas.model_term import (
    PRIVACY,
    All,
    Blessed,
    Bound,
    Comparison,
    Not,
    OneOf,
    Private,
    Property,
    RestsOn,
    Some,
    Tagged,
    Term,
)

Answers = list[bool | None]

_COMPARES: Final[dict[Comparison, Callable[[float, float], bool]]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


def answers(term: Term, snapshot: Snapshot) -> Answers:  # noqa: PLR0911 - a table, with a line for each kind of term
    """Gives the answer of each of the snapshot's candidates."""
    match term:
        case Blessed():
            return _each(snapshot, "blessed", bool)
        case OneOf(name, values):
            return _one_of(snapshot, name, values)
        case Private(comparison, rank):
            compares = _COMPARES[comparison]
            return _each(snapshot, "privacy", lambda known: None if known < 0 else compares(known, rank))
        case Tagged(name, value):
            return [
                name in model.tags and (value is None or model.tags[name] == value) for model in snapshot.candidates
            ]
        case RestsOn(ref):
            if not snapshot.has(ref):  # a mistyped name must not let everything pass that it was to exclude
                return [None] * len(snapshot.candidates)
            resting = snapshot.resting_on(ref)
            return [model.ref in resting for model in snapshot.candidates]
        case Bound(figure, comparison, bound):
            compares = _COMPARES[comparison]
            return [None if value is None else compares(value, bound) for value in snapshot.column(figure)]
        case Not(of):
            return [None if answer is None else not answer for answer in answers(of, snapshot)]
        case All(terms) | Some(terms):
            return _decided([answers(each, snapshot) for each in terms], by=isinstance(term, Some))
        case _:
            assert_never(term)


def _one_of(snapshot: Snapshot, name: Property, values: frozenset[str]) -> Answers:
    match name:
        case "name" | "version":
            return _each(snapshot, name, lambda known: known in values)
        case "alias" | "environment" | "region":
            return _each(snapshot, name, lambda known: not values.isdisjoint(known))
        case "licence":
            return _each(snapshot, name, lambda known: known in values if known else None)
        case "privacy":
            ranks = frozenset(map(PRIVACY.index, values))
            return _each(snapshot, name, lambda known: known in ranks if known >= 0 else None)
        case _:
            assert_never(name)


def _each(snapshot: Snapshot, field: str, answer: Callable[[Any], bool | None]) -> Answers:
    """Asks once for each different value of a field: thousands of models have few of them."""
    values, places = snapshot.coded(field)
    known = [answer(value) for value in values]
    return [known[place] for place in places]


def _decided(parts: list[Answers], *, by: bool) -> Answers:
    """Gives what one answer `by` decides; else it is not known where one of them is not."""
    return [by if by in each else None if None in each else not by for each in zip(*parts, strict=True)]
