"""Decisions for tests of what people are shown."""

import msgspec

from trimtab.schemas.decision import Arm, Assessment, Decision, Phase, Seen, Verdict


def arm(variant: str = "v2", **changes: object) -> Arm:
    made = Arm(
        variant=variant, weight=2_500, trials=30, reward_sum=24.0, alpha=25.0, beta=7.0, mean=25 / 32,
        probability_best=0.25, requests=33, responses=30, errors=6, in_flight=3, error_ratio=0.2, p50_ms=12.5,
        p99_ms=40.0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def assessment(**changes: object) -> Assessment:
    made = Assessment(
        guardrail="error_rate over 10s", variant="v2", verdict=Verdict.FAIL, value=0.2, limit=0.05, n=30, breaches=6,
        allowed_ratio=0.05, window_s=10, ln_evidence=7.25, threshold=6.907755, samples=30,
        reason="ln evidence of harm 7.25, which reaches 6.91",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def decision(**changes: object) -> Decision:
    made = Decision(
        release="checkout", era=7, revision=42, replaces=(7, 40), time_ms=1_700_000_000_123, phase=Phase.PROGRESSING,
        strategy="bandit", weights={"v1": 7_500, "v2": 2_500}, rule="bandit: weights follow P(best)",
        reasons=["bandit: weights follow P(best)"],
        arms=[arm("v1", weight=7_500, probability_best=0.75), arm()],
        assessments=[assessment()],
        seen=Seen(offset=41, sources={"0": 3, "2": 9}, counted=63, late=1, dead_lettered=2),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)
