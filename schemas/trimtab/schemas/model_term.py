"""What a query of the models' catalogue is made of; `model_query.py` reads it from text."""

from typing import Final, Literal, NamedTuple, Union

from trimtab.schemas.model_ref import ModelRef

PRIVACY: Final = ("public", "internal", "confidential", "restricted")
"""Classes of privacy, from what everybody may see to what few may."""

Comparison = Literal[">=", ">", "<=", "<", "=", "!="]
Property = Literal["name", "version", "alias", "environment", "region", "licence", "privacy"]

PROPERTIES: Final[tuple[Property, ...]] = ("name", "version", "alias", "environment", "region", "licence", "privacy")
METRIC: Final = r"[a-z][a-z0-9_]{0,62}"


class Blessed(NamedTuple):
    """Somebody has declared the model fit."""


class OneOf(NamedTuple):
    """A property is one of several values, or has one of them where it has several."""

    property: Property
    values: frozenset[str]


class Private(NamedTuple):
    """The class of privacy is at most, or at least, one of `PRIVACY`."""

    comparison: Literal["<=", ">="]
    rank: int


class Tagged(NamedTuple):
    """There is a tag, with a value or with any (None)."""

    name: str
    value: str | None


class RestsOn(NamedTuple):
    """Something is in the model's lineage."""

    ref: ModelRef


class Bound(NamedTuple):
    """A figure compares with a number."""

    figure: str
    """as it is written: `serving.accuracy[eu]`"""
    comparison: Comparison
    value: float


class Not(NamedTuple):
    """What does not hold."""

    of: "Term"


class All(NamedTuple):
    """Several that hold together."""

    of: "tuple[Term, ...]"


class Some(NamedTuple):
    """Several of which one holds at least."""

    of: "tuple[Term, ...]"


Term = Union[Blessed, OneOf, Private, Tagged, RestsOn, Bound, Not, All, Some]  # noqa: UP007 - it refers to itself


class Constraint(NamedTuple):
    """One of the constraints of a query."""

    text: str
    """as it was written"""
    term: Term
