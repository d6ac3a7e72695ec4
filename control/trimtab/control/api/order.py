"""A command as it is posted."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trimtab.schemas.evidence import Command
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.part import BasisPoints, Name

_NEED_REASON: Final = ("abort", "retry", "freeze", "set-weights", "exclude")
_MOST_VARIANTS: Final = 64

Action = Literal["pause", "resume", "promote", "abort", "retry", "freeze", "set-weights", "exclude", "confirm"]


class Order(BaseModel):
    """What a release is to do, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    action: Action
    reason: Annotated[str, Field(max_length=1_000)] = ""
    """why; it stands in the decision. Required of abort, retry, freeze, set-weights and exclude"""
    full: bool = False
    """of promote: to the end, not by one step"""
    variant: Annotated[str, Field(max_length=63)] = ""
    """of promote: which variant, to the end, else the best; of exclude: which one; of confirm: whose promotion"""
    weights: Annotated[dict[Name, BasisPoints], Field(max_length=_MOST_VARIANTS)] = {}
    """of set-weights: variant -> basis points, summing to 10,000; those that are not named have none"""

    @model_validator(mode="after")
    def _fits_its_action(self) -> Self:
        if self.action in _NEED_REASON and not self.reason.strip():
            raise ValueError("reason: expected why, for those who read the decision later")
        if self.action == "set-weights":
            if sum(self.weights.values()) != BASIS_POINTS:
                raise ValueError(f"weights: expected a sum of {BASIS_POINTS}, got {sum(self.weights.values())}")
        elif self.weights:
            raise ValueError(f"weights: {self.action} takes none")
        if self.action == "exclude" and not self.variant:
            raise ValueError("variant: expected which one is to take no traffic")
        if self.action != "promote" and (self.full or (self.variant and self.action not in ("exclude", "confirm"))):
            raise ValueError(f"{'full' if self.full else 'variant'}: {self.action} takes none")
        return self

    def command(self, release: str, actor: str) -> Command:
        """Gives the record of the evidence log."""
        return Command(
            release=release, action=self.action, reason=self.reason.strip(), actor=actor, variant=self.variant,
            full=self.full or bool(self.variant), weights=self.weights,
        )  # fmt: skip
