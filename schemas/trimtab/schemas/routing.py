"""Routing: what a sidecar needs of a release file beside the weights: conditions, stickiness, and what age may do."""

from functools import lru_cache

from msgspec.structs import replace

from trimtab.schemas.decision import Claim, Decision, Sticky, WeightsRecord
from trimtab.schemas.release import Spec, parse_document
from trimtab.schemas.stale_weights import StaleWeights


def routed(weights: WeightsRecord, decision: Decision, document: bytes) -> WeightsRecord:
    """Gives `weights` with what the release file that `document` is says of conditions, stickiness and age.

    Variants that are excluded claim no requests, nor does any once the release is over: what was found harmful, or is
    decided, is not undone by a condition.
    """
    spec = _spec(document)
    if spec is None:
        return weights
    excluded = {arm.variant for arm in decision.arms if arm.excluded}
    claims = [
        Claim(variant=variant.name, condition=variant.condition, strength=variant.condition_strength)
        for variant in spec.variants
        if variant.condition is not None and variant.name not in excluded and not decision.phase.is_over
    ]
    return replace(
        weights, condition=spec.route.condition or "", baseline=spec.baseline, claims=claims,
        segment_conditions={part.name: part.condition for part in spec.segments if part.condition is not None},
        sticky=_sticky(spec, weights.release),
        stale_after_ms=spec.stale_weights.after, stale_then=spec.stale_weights.then,
    )  # fmt: skip


def _sticky(spec: Spec, release: str) -> Sticky | None:
    by = spec.stickiness
    return Sticky(seed=by.seed or release, cookie=by.cookie or "", header=by.header or "") if by else None


@lru_cache(maxsize=1024)
def _spec(document: bytes) -> Spec | None:
    """Gives the spec of a document; none where it says nothing of routing that the record does not say by itself."""
    spec = parse_document(document).spec
    own = [*(variant.condition for variant in spec.variants), *(segment.condition for segment in spec.segments)]
    is_plain = {spec.route.condition, spec.stickiness, *own} == {None} and spec.stale_weights == StaleWeights()
    return None if is_plain else spec
