"""Metrics that a user defines in a release file: expressions, and composites of several."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from trimtab.schemas.expression import MAX_LENGTH, Node, outcomes_in, parse
from trimtab.schemas.part import Name, Part

MAX_PARTS: Final = 16
_EXPRESSION: Final = "an expression"
_COMPOSITE: Final = "a composite"
"""Not as any field is called, for problems are told by where they are."""


def _is_expression(text: str) -> str:
    parse(text)
    return text


Expression = Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(_is_expression)]
"""Text that `trimtab.schemas.expression` describes."""
Bound = Annotated[float, Field(ge=-1e15, le=1e15)]
"""A figure that a difference can be taken of without an overflow."""


class Metric(Part):
    """A figure of a variant, computed of what a window holds.

    >>> Metric(name="timeout-share", expression="timeouts / responses").outcomes
    set()
    """

    name: Name
    expression: Expression

    @property
    def tree(self) -> Node:
        """What the expression means."""
        return parse(self.expression)

    @property
    def outcomes(self) -> set[str]:
        """The metrics whose outcomes it reads."""
        return outcomes_in(self.tree)


class CompositePart(Part):
    """One side of a composite: a figure, what is good about it, and from where to where."""

    expression: Expression
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False, le=1e6)] = 1.0
    """how much it matters beside the other parts"""
    better: Literal["high", "low"] = "high"
    """whether more of it is better, or less"""
    from_: Annotated[Bound, Field(alias="from")]
    """the figure below which nothing changes any more"""
    to: Bound
    """the figure above which nothing changes any more"""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.from_ < self.to:
            raise ValueError(f"to: expected a number above from, which is {self.from_:g}, got {self.to:g}")
        return self

    @property
    def tree(self) -> Node:
        """What the expression means."""
        return parse(self.expression)


class Composite(Part):
    """A weighted mean of several figures, each brought to a scale from 0 (bad) to 1 (good): quality of experience.

    >>> good = {"expression": "latency.p99", "better": "low", "from": 100, "to": 500}
    >>> Composite.model_validate({"name": "experience", "parts": [good]}).parts[0].to
    500.0
    """

    name: Name
    parts: Annotated[tuple[CompositePart, ...], Field(min_length=1, max_length=MAX_PARTS)]

    @property
    def outcomes(self) -> set[str]:
        """The metrics whose outcomes its parts read."""
        return {metric for part in self.parts for metric in outcomes_in(part.tree)}


def _kind(value: object) -> str:
    is_composite = "parts" in value if isinstance(value, Mapping) else isinstance(value, Composite)
    return _COMPOSITE if is_composite else _EXPRESSION


AnyMetric = Metric | Composite
UserMetric = Annotated[
    Annotated[Metric, Tag(_EXPRESSION)] | Annotated[Composite, Tag(_COMPOSITE)], Discriminator(_kind)
]
"""What a list of metrics in a release file holds: the one has an `expression`, the other has `parts`."""
