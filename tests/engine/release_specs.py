"""Hypothesis strategies: releases of every strategy, policy, objective, guardrail and limit, and orders to them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st
from pydantic import ValidationError

from engine.builders import Json, error_rate, latency, release
from engine.policy.policies import SPECS as POLICIES
from trimtab.schemas.evidence import Command
from trimtab.schemas.release import Release

NAMES: Final = ("checkout", "search")
VARIANTS: Final = (("stable", "canary"), ("stable", "canary", "newer"), ("newer", "canary", "stable"))

STRATEGIES: Final[Mapping[str, Json]] = {
    "canary by evidence": {"type": "canary", "steps": [1_000, 5_000], "hold": "1s", "minResponses": 1},
    "canary by time": {"type": "canary", "steps": [500, 2_500, 6_000], "hold": "500ms", "advance": "time"},
    "canary by a person": {"type": "canary", "steps": [2_000], "hold": "1s", "advance": "manual", "minResponses": 5},
    "blue/green": {"type": "blueGreen", "preview": 500, "verify": "1s", "watch": "2s", "minResponses": 3},
    "blue/green by a person": {"type": "blueGreen", "verify": "1s", "watch": "1s", "switch": "manual"},
    "A/B test": {"type": "abTest", "plannedTrials": 100, "duration": "20s"},
    "A/B test for a winner": {"type": "abTest", "plannedTrials": 100, "onWinner": "promote", "alpha": 0.4},
    "shadow": {"type": "shadow", "duration": "3s", "minResponses": 10, "mirror": 2_000},
    "shadow, then a canary": {
        "type": "shadow",
        "duration": "2s",
        "minResponses": 5,
        "mirror": 2_000,
        "then": {"type": "canary", "steps": [1_000, 5_000], "hold": "1s", "minResponses": 1},
    },
    "ensemble": {"type": "ensemble", "memory": 300},
    "ensemble that is slow": {"type": "ensemble", "interval": "3s", "combine": "vote"},
    **{f"bandit, {name}": {"type": "bandit", "policy": policy} for name, policy in POLICIES.items()},
}
_OBJECTIVES: Final[Sequence[Json]] = (
    {},
    {"metric": "converted"},
    {"metric": "converted", "goal": "minimize"},
    {"metric": "revenue", "values": "real"},
    {"metric": "revenue", "values": "real", "goal": "minimize"},
    {"goal": "minimize"},
    {"metric": "converted", "prior": {"mean": 0.3, "strength": 20}},
    {"metric": "revenue", "values": "real", "prior": {"mean": 1, "strength": 9, "deviation": 2}},
    {"prior": {"from": "shadow"}},
    {"metric": "experience"},
    {"metric": "spending", "values": "real", "goal": "minimize"},
)
_METRICS: Final[Sequence[Json]] = (
    {"name": "spending", "expression": 'outcome("revenue").sum / responses'},
    {
        "name": "experience",
        "parts": [
            {"expression": "latency.p95", "better": "low", "from": 5, "to": 300},
            {"expression": "errors / responses", "better": "low", "from": 0, "to": 0.5, "weight": 2},
        ],
    },
)
_GUARDRAILS: Final[Sequence[Json]] = (
    error_rate(0.1, minSamples=5),
    error_rate(0.2, maxRatio=1.5, confidence=0.9, window="1m", onFail="stepBack"),
    latency(100, minSamples=5, onFail="pause"),
    latency(100, "p50", window="1m", severity="ordinary", onFail="hold"),
    {"metric": "latency_p90_ms", "maxRatio": 1.5, "onFail": "stepBack", "confidence": 0.9},
    {"metric": "outcome", "name": "converted", "min": 0.3, "confidence": 0.9},
    {"metric": "outcome", "name": "revenue", "minRatio": 0.9, "max": 50, "severity": "signal"},
    {"metric": "client_error_rate", "max": 0.2, "severity": "muted"},
    {"metric": "reaction_time", "max": 400, "allowed": 0.2, "minSamples": 3, "window": "10s"},
    {"metric": "reaction_time", "max": 900, "allowed": 0.2, "minSamples": 3, "onFail": "pause"},
    error_rate(0.1, window="5m", warmUp="3s"),
    {"metric": "metric", "name": "spending", "min": -2, "confidence": 0.9},
    {"metric": "metric", "name": "experience", "minRatio": 0.8, "confidence": 0.9, "onFail": "hold"},
)
_LIMITS: Final[Sequence[Json]] = (
    {},
    {"maxStep": 10_000},
    {"minWeight": 300, "maxWeight": 6_000, "maxStep": 700},
    {"minWeight": 0, "maxStep": 3_333},
    {"minWeight": 2_500, "maxWeight": 3_000, "maxStep": 900},
    {"holdout": 1_500, "hysteresis": 150, "cooldown": "2s", "minWeight": 200},
    {"holdout": 3_000, "maxStep": 10_000},
    {"hysteresis": 700, "maxStep": 900, "maxWeight": 7_000},
)
_OWN: Final[Sequence[Json]] = ({}, {}, {}, {"minWeight": 400}, {"maxWeight": 2_600}, {"minWeight": 0, "maxWeight": 900})
"""Limits of `canary` alone."""


def _valid(name: str, kind: str, variants: Sequence[str], parts: Mapping[str, Any]) -> Release | None:
    try:
        own = [{"name": variant, **(parts["own"] if variant == "canary" else {})} for variant in variants]
        return release(name, variants=variants, strategy=STRATEGIES[kind], **{**parts, "own": own})
    except ValidationError:
        return None


STEERED: Final = tuple(kind for kind in STRATEGIES if _valid("checkout", kind, VARIANTS[0], {"own": {}}))
"""What a release may name today."""


def releases(*kinds: str, name: str | None = None) -> st.SearchStrategy[Release]:
    """Releases of these kinds of strategy; combinations that a release file refuses are passed over."""
    parts = st.fixed_dictionaries(
        {
            "objective": st.sampled_from(_OBJECTIVES),
            "guardrails": st.lists(st.sampled_from(_GUARDRAILS), max_size=4, unique_by=str),
            "limits": st.sampled_from(_LIMITS),
            "own": st.sampled_from(_OWN),
            "metrics": st.just(_METRICS),
            "segments": st.sampled_from(([], [{"name": "mobile"}], [{"name": "mobile"}, {"name": "tablet"}])),
            "stickiness": st.sampled_from((None, None, {"cookie": "visitor"})),
        }
    )
    names = st.sampled_from(NAMES) if name is None else st.just(name)
    drawn = st.builds(_valid, names, st.sampled_from(kinds), st.sampled_from(VARIANTS), parts)
    found: st.SearchStrategy[Any] = drawn.filter(lambda found: found is not None)
    return found


def commands() -> st.SearchStrategy[Command]:
    """Orders of every kind, to whom they concern and to others, possible and not."""
    variants = st.sampled_from(("", "", "stable", "canary", "newer", "phantom"))
    weights = st.sampled_from(
        (
            {"stable": 7_000, "canary": 3_000},
            {"stable": 10_000},
            {"canary": 10_000},
            {"stable": 2_000, "canary": 3_000, "newer": 5_000},
            {"stable": 7_000, "canary": 2_000},
            {"stable": 11_000, "canary": -1_000},
            {"stable": 9_000, "phantom": 1_000},
            {"stable": 10_000, "phantom": 0},
        )
    )
    plain = st.sampled_from(("pause", "resume", "abort", "retry", "freeze"))
    names = st.sampled_from((*NAMES, *NAMES, "ghost"))
    return st.one_of(
        st.builds(Command, release=names, action=plain, reason=st.sampled_from(("", "lunch"))),
        st.builds(Command, release=names, action=st.just("promote"), variant=variants, full=st.booleans()),
        st.builds(Command, release=names, action=st.just("exclude"), variant=variants),
        st.builds(Command, release=names, action=st.just("set-weights"), weights=weights, actor=st.just("operator")),
    )
