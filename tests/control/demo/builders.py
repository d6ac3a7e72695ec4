"""Decisions and exchanges as the demo's tests need them."""

from collections.abc import Iterable, Mapping
from typing import Any

from trimtab.control.demo.ledger import Exchange, Ledger
from trimtab.schemas.decision import Arm, Decision, Phase, Seen


def exchange(sent_s: float, variant: str = "v1", **changes: Any) -> Exchange:
    given = Exchange(sent_s=sent_s, latency_ms=15.0, variant=variant, status=200, converted=False)
    return given._replace(**changes)


def ledger(exchanges: Iterable[Exchange]) -> Ledger:
    return Ledger(list(exchanges))


def arm(variant: str, weight: int, excluded: str = "") -> Arm:
    return Arm(
        variant=variant, weight=weight, excluded=excluded, trials=100, reward_sum=80.0, alpha=81.0, beta=21.0, mean=0.8,
        probability_best=0.25, requests=100, responses=100, errors=0, in_flight=0, error_ratio=0.0, p50_ms=15.0,
        p99_ms=31.0,
    )  # fmt: skip


def decision(  # noqa: PLR0913 - what a test may choose of a record with many fields
    weights: Mapping[str, int],
    *,
    phase: Phase = Phase.PROGRESSING,
    strategy: str = "canary",
    revision: int = 1,
    step: int = 0,
    out: Mapping[str, str] | None = None,
    rule: str = "because",
) -> Decision:
    excluded = out or {}
    return Decision(
        release="checkout", era=1, revision=revision, replaces=(1, revision - 1), time_ms=0, phase=phase,
        strategy=strategy, step=step, weights=dict(weights), rule=rule, reasons=[rule],
        arms=[arm(variant, weight, excluded.get(variant, "")) for variant, weight in weights.items()], assessments=[],
        seen=Seen(offset=revision - 1, sources={}, counted=0, late=0, dead_lettered=0),
    )  # fmt: skip


BASELINE_ALONE = {"v1": 10_000, "v2": 0, "v3": 0}
EVEN_STEP = {"v1": 9_500, "v2": 250, "v3": 250}
