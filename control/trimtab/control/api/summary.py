"""What lists and charts show of a release, as plain data."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from trimtab.control.api.ring import Point, Rings
from trimtab.control.release_view import ReleaseView
from trimtab.schemas.decision import Decision
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.ids import service_of
from trimtab.schemas.sidecar import SidecarReport

_STAYS: Final = ("refused", "stuck")
"""Divergences by which a sidecar does not have the weights that it should."""


class _Baseline(msgspec.Struct, frozen=True):
    baseline: str = ""


class _Document(msgspec.Struct, frozen=True):
    spec: _Baseline = _Baseline()


_read_document = msgspec.json.Decoder(_Document).decode


def summary(view: ReleaseView) -> dict[str, Any]:
    """Gives a release in a line."""
    decision = view.decision
    return {
        "name": decision.release, "service": service_of(decision.release), "strategy": decision.strategy,
        "phase": str(decision.phase), "queued_behind": decision.queued_behind, "era": decision.era,
        "revision": decision.revision, "time_ms": decision.time_ms, "weights": decision.weights,
        "baseline": _read_document(view.document).spec.baseline, "rule": decision.rule,
        "sidecars": len(view.sidecars) + len(view.unread), "stuck": stuck(view.sidecars, decision.divergences),
    }  # fmt: skip


def listed(view: ReleaseView, rings: Rings) -> dict[str, Any]:
    """Gives a release in a line, with its last weights."""
    known = rings.trend(view.decision.release)
    points: Sequence[Point] = known or [(view.decision.time_ms, view.decision.weights)]
    return {**summary(view), "trend": [list(point) for point in points]}


def stuck(sidecars: Sequence[SidecarReport], divergences: Sequence[Divergence] = ()) -> int:
    """Gives how many sidecars do not follow.

    Those whose proxy refuses the weights, whose weights are past the age that the release file says, or that the
    newest decision knows to be stuck or to refuse, so that lists and decisions tell the same.
    """
    told = {one.sidecar for one in divergences if one.kind in _STAYS}
    return sum(bool(report.refused) or report.stale or report.sidecar in told for report in sidecars)


def windows(decision: Decision, rings: Rings, now_ms: int) -> dict[str, Any]:
    """Gives what a decision knew of each variant, and how long ago (ms) there were last new responses of it."""
    return {
        "time_ms": decision.time_ms,
        "variants": [
            {
                "variant": arm.variant, "responses": arm.responses, "error_ratio": arm.error_ratio,
                "p50_ms": arm.p50_ms, "p99_ms": arm.p99_ms,
                "age_ms": max(0, now_ms - (rings.heard_ms(decision.release, arm.variant) or decision.time_ms)),
                "metrics": arm.metrics, "segments": msgspec.to_builtins(arm.segments),
            }
            for arm in decision.arms
        ],
    }  # fmt: skip
