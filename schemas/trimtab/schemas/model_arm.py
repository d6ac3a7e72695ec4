"""A variant that is a model: one by its name, or whichever a query means.

What a query means is decided when the release is applied, and stands in `resolved` from then on. The release keeps that
model for as long as it may be used; `trimtab models follow` takes its traffic away when it may not.
"""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, model_validator

from trimtab.schemas.model_ref import Kind, ModelRef, kind_of, parse_ref
from trimtab.schemas.part import Part
from trimtab.schemas.preference import Prefer, QueryText

PLACEHOLDERS: Final = ("{model}", "{version}")
"""What a variant's target may have in it: the name of the model, and its version."""


def _model(text: str) -> str:
    ref = parse_ref(text)
    if kind_of(ref) is not Kind.MODEL:
        raise ValueError(f"expected a model as NAME:VERSION, got {text!r:.80}")
    return str(ref)


_Model = Annotated[str, AfterValidator(_model)]


class ModelArm(Part):
    """Which model a variant is: `ref`, or `where` with or without `prefer`."""

    ref: _Model | None = None
    """NAME:VERSION"""
    where: QueryText | None = None
    """which models may be taken; `docs/models.md` has the language. An empty one means any"""
    prefer: Prefer = ()
    """which of them is taken: a list of metrics is an order, a mapping gives weights; else accuracy, p99_ms, cost"""
    resolved: _Model | None = None
    """the model that the query meant when the release was applied; written by `trimtab apply`, not by hand"""

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.ref is None) == (self.where is None):
            raise ValueError("expected ref (NAME:VERSION) or where (a query), one of them")
        if self.ref is not None and (self.prefer or self.resolved):
            raise ValueError(f"{'prefer' if self.prefer else 'resolved'}: expected where beside it, got ref")
        return self

    @property
    def model(self) -> ModelRef | None:
        """The model that it is; None for a query that nobody has resolved yet."""
        found = self.ref or self.resolved
        return ModelRef(found) if found else None

    def named(self, target: str) -> str:
        """Gives a target with the model's name and version in it.

        >>> ModelArm(ref="digits:2").named("{model}-v{version}")
        'digits-v2'
        """
        if self.model is None:
            return target
        name, _, version = self.model.partition("/")[2].partition(":")
        return target.replace("{model}", name).replace("{version}", version)
