"""Ways in which a condition holds: checks that hold together, and so for proxies, which know no parentheses.

A way is a row of terms. A condition holds where all terms of one of its ways do (its disjunctive normal form). An `or`
under an `and`, or an `and` under a `not`, multiplies ways, so their number is bounded.
"""

from functools import lru_cache
from typing import Final, NamedTuple, assert_never

from trimtab.schemas.condition import All, Check, Condition, ConditionError, Not, Some

MAX_WAYS: Final = 64


class Term(NamedTuple):
    """A check, and whether it is to hold."""

    check: Check
    holds: bool


Way = tuple[Term, ...]
"""Terms without repetition, in the order of the condition."""


@lru_cache(maxsize=4096)
def ways(condition: Condition) -> tuple[Way, ...]:
    """Gives the ways in which a condition holds, in its order; none where it cannot hold.

    Raises `ConditionError`, a `ValueError`, for more than `MAX_WAYS`.

    >>> from trimtab.schemas.condition import parse
    >>> one, two = ways(parse("has header A and not (path = /b and host = c)"))
    >>> [(term.check.field, term.holds) for term in one], [(term.check.field, term.holds) for term in two]
    ([('header', True), ('path', False)], [('header', True), ('host', False)])
    """
    return tuple(tuple(Term(*item) for item in way.items()) for way in _ways(condition, holds=True))


_Way = dict[Check, bool]


def _ways(condition: Condition, *, holds: bool) -> list[_Way]:
    match condition:
        case Check():
            return [{condition: holds}]
        case Not(of):
            return _ways(of, holds=not holds)
        case All(of) | Some(of):
            parts = [_ways(part, holds=holds) for part in of]
            return _together(parts) if isinstance(condition, All) == holds else _either(parts)
        case _:
            assert_never(condition)


def _either(parts: list[list[_Way]]) -> list[_Way]:
    return _bounded([way for part in parts for way in part])


def _together(parts: list[list[_Way]]) -> list[_Way]:
    joined: list[_Way] = [{}]
    for part in parts:
        joined = _bounded(
            [
                one | other
                for one in joined
                for other in part
                if all(one.get(key, is_) == is_ for key, is_ in other.items())
            ]
        )
    return joined


def _bounded(found: list[_Way]) -> list[_Way]:
    """Leaves out ways that need all that another needs, and refuses too many."""
    kept: list[_Way] = []
    for way in sorted(found, key=len):
        if not any(other.items() <= way.items() for other in kept):
            kept.append(way)
        if len(kept) > MAX_WAYS:
            raise ConditionError(
                f"expected a condition that holds in at most {MAX_WAYS} ways, found more: an `or` within an `and`"
                " multiplies them, and so does an `and` within a `not`"
            )
    return [way for way in found if any(way is one for one in kept)]
