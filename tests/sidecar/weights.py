"""Builders of weights."""

from typing import Any

from msgspec.structs import replace

from trimtab.schemas.decision import Claim, Phase, WeightsRecord
from trimtab.schemas.fallback import on_baseline
from trimtab.schemas.stamp import stamp

ERA = 1_767_225_600


def weights(
    release: str = "checkout", revision: int = 1, *, prefix: str = "/", at: dict[str, str] | None = None,
    routing: dict[str, Any] | None = None, **shares: int,
) -> WeightsRecord:  # fmt: skip
    """Weights of a release whose variants stand in clusters called `at-VARIANT`, unless `at` says otherwise.

    `routing` are further fields of the record.
    """
    shares = shares or {"v1": 9_000, "v2": 1_000}
    targets = {variant: f"at-{variant}" for variant in shares} | (at or {})
    return WeightsRecord(
        release=release, era=ERA, revision=revision, time_ms=0, phase=Phase.PROGRESSING, weights=shares,
        targets=targets, prefix=prefix, **(routing or {}),
    )  # fmt: skip


def fallen_back(release: str = "checkout", revision: int = 1, **more: Any) -> WeightsRecord:
    """What is routed by in place of such weights, once they are past their age; v1 is the baseline."""
    return on_baseline(replace(weights(release, revision, **more), baseline="v1"))


def claim(variant: str, condition: str, strength: int = 10_000) -> Claim:
    return Claim(variant=variant, condition=condition, strength=strength)


def stamp_of(record: WeightsRecord) -> str:
    """The stamp of the route for what is of no segment."""
    return stamp(record.release, record.id, record.targets)
