"""Releases that are decided on segment by segment, and traffic for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.builders import Json, release, response
from engine.evidence_rig import EvidenceRig, decisions
from trimtab.engine.ledger import Ledger
from trimtab.schemas.decision import Decision
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event

SEGMENTS: Sequence[Json] = (
    {"name": "mobile", "features": {"screen": 0.3}},
    {"name": "tablet", "features": {"screen": 0.5}},
    {"name": "desktop", "features": {"screen": 1.0}},
)
SEGMENTED: Json = {"type": "segmented"}
BAYESIAN: Json = {"type": "linear"}
LIN_UCB: Json = {"type": "linear", "model": "linUcb", "exploration": 0.5}
Failures = Mapping[str, Mapping[str, float]]
"""segment -> variant -> share of responses that are errors"""
APART: Failures = {
    "mobile": {"stable": 0.5, "canary": 0.1},
    "tablet": {"stable": 0.5, "canary": 0.1},
    "desktop": {"stable": 0.1, "canary": 0.5},
}
"""The candidate is better on small screens alone."""


def by_segment(policy: Json = SEGMENTED, **more: Any) -> Release:
    fields: dict[str, Any] = {"segments": list(SEGMENTS), **more}
    return release(strategy={"type": "bandit", "interval": "1s", "policy": policy}, **fields)


def traffic(failures: Failures, at_ms: int, each: int = 40) -> list[Event]:
    """So many responses of each variant in each segment, of which the first ones fail."""
    return [
        response(variant, at_ms, segment=segment, status=500 if number < share * each else 200)
        for segment, of_segment in failures.items()
        for variant, share in of_segment.items()
        for number in range(each)
    ]


def run(rig: EvidenceRig, failures: Failures, seconds: int, each: int = 40) -> list[Decision]:
    """Lets seconds pass with traffic in each of them; gives the decisions."""
    made = []
    for _ in range(seconds):
        rig.now_ms += 1_000
        made += decisions(rig.bring(*traffic(failures, rig.now_ms, each)))
    return made


def restored(ledger: Ledger, **more: Any) -> Ledger:
    return Ledger.restore([ledger.snapshot()], [[fold.snapshot()] for fold in ledger.releases.values()], **more)
