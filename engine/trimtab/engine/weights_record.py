"""What a sidecar needs of a decision."""

from collections.abc import Sequence

from trimtab.schemas.decision import Decision, WeightsRecord
from trimtab.schemas.release import Release
from trimtab.schemas.strategy import Shadow


def weights_record_of(release: Release, decision: Decision, candidates: Sequence[str]) -> WeightsRecord:
    """Gives the weights of a decision with where they lead; `candidates` may take traffic, or copies of it."""
    spec, strategy = release.spec, release.spec.strategy
    mirror = {}
    if isinstance(strategy, Shadow) and not decision.phase.is_over:
        mirror = dict.fromkeys(candidates, strategy.mirror)
    return WeightsRecord(
        release=decision.release, era=decision.era, revision=decision.revision, time_ms=decision.time_ms,
        phase=decision.phase, weights=decision.weights, segments=decision.segments, prefix=spec.route.prefix,
        targets={variant.name: variant.at_proxy for variant in spec.variants}, mirror=mirror,
    )  # fmt: skip
