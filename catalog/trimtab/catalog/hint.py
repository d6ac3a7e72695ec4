"""Why a constraint can hold of no model: it names what no model has, or what the catalogue does not know."""

from collections.abc import Iterable
from typing import Final, assert_never

from trimtab.catalog.view import Snapshot
from trimtab.schemas.model_ref import ModelRef, kind_of
from trimtab.schemas.model_term import All, Blessed, Bound, Not, OneOf, Private, Property, RestsOn, Some, Tagged, Term
from trimtab.schemas.nearest import near

_SETS: Final = ("alias", "environment", "region")
_MOST_COMPARED: Final = 1_000
"""Names among which the nearest is looked for: one takes some ten microseconds."""


def hint(term: Term, snapshot: Snapshot) -> str:  # noqa: PLR0911 - a table, with a line for each kind of term
    """Gives what is strange about a constraint that excludes models, with what may have been meant; else nothing."""
    match term:
        case RestsOn(ref):
            return "" if snapshot.has(ref) else f"there is no {ref} in the catalogue{_near(ref, snapshot)}"
        case Bound(figure):
            figures = {name for model in snapshot.candidates for name in model.figures}
            return "" if figure in figures else f"no model has {figure}{near(figure, figures)}"
        case OneOf(name, values):
            return _of_property(name, values, _values(snapshot, name))
        case Tagged(name, _):
            tags = {tag for model in snapshot.candidates for tag in model.tags}
            return "" if name in tags else f"no model has the tag {name}{near(name, tags)}"
        case Not(RestsOn() | Bound() as of):  # of others, what is strange would exclude nothing
            return hint(of, snapshot)
        case All(terms) | Some(terms):
            return next(filter(None, (hint(each, snapshot) for each in terms)), "")
        case Not() | Blessed() | Private():
            return ""
        case _:
            assert_never(term)


def _near(ref: ModelRef, snapshot: Snapshot) -> str:
    alike = [one for one in snapshot.refs() if kind_of(one) is kind_of(ref)]
    return near(ref, alike) if len(alike) <= _MOST_COMPARED else ""


def _values(snapshot: Snapshot, name: Property) -> set[str]:
    if name == "privacy":
        return set()
    known, _ = snapshot.coded(name)
    return {value for each in known for value in each} if name in _SETS else set(known) - {""}


def _of_property(name: Property, values: Iterable[str], known: set[str]) -> str:
    if name == "privacy" or not known.isdisjoint(values):
        return ""
    one = min(values)
    return f"no model has the {name} {one}{near(one, known)}"
