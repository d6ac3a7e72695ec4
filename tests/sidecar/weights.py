"""Builders of weights."""

from trimtab.schemas.decision import Phase, WeightsRecord

ERA = 1_767_225_600


def weights(
    release: str = "checkout", revision: int = 1, *, prefix: str = "/", at: dict[str, str] | None = None, **shares: int
) -> WeightsRecord:
    """Weights of a release whose variants stand in clusters called `at-VARIANT`, unless `at` says otherwise."""
    shares = shares or {"v1": 9_000, "v2": 1_000}
    targets = {variant: f"at-{variant}" for variant in shares} | (at or {})
    return WeightsRecord(
        release=release, era=ERA, revision=revision, time_ms=0, phase=Phase.PROGRESSING, weights=shares,
        targets=targets, prefix=prefix,
    )  # fmt: skip
