"""The acts of the scenario `models`: what each one applies, when it is over, and what it is for.

They are the five steps of the demo that Trimtab's predecessor was shown with, the first of them in two acts: a faulty
version, and its fix. One release takes them in turn, each as another spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from trimtab.schemas.decision import Decision, Phase

RELEASE: Final = "digits"
MODEL: Final = "digits"

FAST, CORRUPTED, FIXED, FRESH = "v1", "v2", "v3", "v4"
NAMES: Final = {
    FAST: "naive Bayes: fast, right nine times in ten",
    CORRUPTED: "a forest that learned from corrupted labels",
    FIXED: "the same forest with the right labels: accurate, and slower",
    FRESH: "nearest neighbours: accurate and fast",
}
ENSEMBLE: Final = "ensemble"
"""The server that asks several of them; it is no variant."""
MEMBERS: Final = (FAST, FIXED, FRESH)

STEP_BP: Final = 3_000
"""Of the canaries."""
LATE_S: Final = 5.0
"""How long after its answer the truth of a request becomes known."""
LEAST_ACCURACY: Final = 0.8
PHONES: Final = "user-agent = Android or user-agent = iPhone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One spec of the release, until it came to what it should, or its time is over."""

    key: str
    title: str
    strategy: Mapping[str, Any]
    variants: tuple[Mapping[str, Any], ...]
    """the baseline first"""
    share: float
    """of the run's time that it may take at most"""
    ends: frozenset[Phase] = frozenset()
    """the phases that are its end; without any it lasts as long as it may"""
    guards: tuple[Mapping[str, Any], ...] = ()
    metrics: tuple[Mapping[str, Any], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its variants, the baseline first."""
        return tuple(str(variant["name"]) for variant in self.variants)

    def text(self) -> str:
        """Gives its release file, as a person would write it."""
        document = {
            "apiVersion": "trimtab.dev/v1",
            "kind": "Release",
            "metadata": {"name": RELEASE, "labels": {"act": self.key}},
            "spec": {
                "route": {"prefix": "/v2"},
                "baseline": self.names[0],
                "variants": [dict(variant) for variant in self.variants],
                "outcomes": ["correct", "log_loss", "brier", "agreement", "difference"],
                "metrics": [dict(metric) for metric in self.metrics],
                "objective": {"metric": "correct"},
                "guardrails": [dict(guard) for guard in self.guards],
                "limits": {"maxStep": 10_000},
                "strategy": dict(self.strategy),
            },
        }
        return yaml.safe_dump(document, sort_keys=False)

    def is_of(self, decision: Decision) -> bool:
        """Whether a decision was made on this act's spec: no two in a row have the same variants and strategy."""
        return tuple(decision.weights) == self.names and decision.strategy == self.strategy["type"]


_ACCURACY: Final = {"metric": "outcome", "name": "correct", "min": LEAST_ACCURACY, "window": "10s"}
"""Nothing else watches the canaries: errors and latencies of a model that is wrong are as good as of any other."""

_AGREEMENT: Final = {"metric": "outcome", "name": "agreement", "min": LEAST_ACCURACY}
AGREEING: Final = "agreeing"
_AGREEING: Final = {"name": AGREEING, "expression": 'outcome("agreement").mean'}
"""How often a copy's answer is the live one's; shown in every decision."""


def acts() -> tuple[Act, ...]:
    """Gives the acts, in their order."""
    fast, corrupted, fixed, fresh = ({"name": name} for name in NAMES)
    canary = {"type": "canary", "steps": [STEP_BP], "hold": "5s"}
    return (
        Act(
            key="faulty",
            title=f"1. Canary: {CORRUPTED}, {NAMES[CORRUPTED]}, beside {FAST}, {NAMES[FAST]}",
            strategy=canary, variants=(fast, corrupted), guards=(_ACCURACY,),
            ends=frozenset({Phase.ROLLED_BACK, Phase.PROMOTED}), share=0.32,
        ),
        Act(
            key="fix",
            title=f"1. Canary, once more: {FIXED}, {NAMES[FIXED]}",
            strategy=canary, variants=(fast, fixed), guards=(_ACCURACY,),
            ends=frozenset({Phase.ROLLED_BACK, Phase.PROMOTED}), share=0.22,
        ),
        Act(
            key="ab-test",
            title=f"2. A/B test: {FAST} against {FIXED}, half of the requests each",
            strategy={"type": "abTest", "split": {FAST: 5_000, FIXED: 5_000}, "plannedTrials": 4_000},
            variants=(fast, fixed), ends=frozenset({Phase.COMPLETED}), share=0.17,
        ),
        Act(
            key="segments",
            title=f"3. Segmentation: phones cannot wait and get {FAST}, all others {FIXED}",
            strategy={"type": "blueGreen", "preview": 0, "switch": "manual"},
            variants=(fixed, {**fast, "condition": PHONES}), share=0.05,
        ),
        Act(
            key="shadow",
            title=f"4. Shadow: {FRESH}, {NAMES[FRESH]}, answers copies that nobody sees",
            strategy={"type": "shadow", "mirror": 10_000, "duration": "8s", "minResponses": 500},
            variants=(fixed, fresh), guards=(_AGREEMENT,), metrics=(_AGREEING,),
            ends=frozenset({Phase.COMPLETED}), share=0.12,
        ),
        Act(
            key=ENSEMBLE,
            title=f"5. Ensemble: {', '.join(MEMBERS)} answer every request, and one answer is made of theirs",
            strategy={"type": "ensemble", "combine": "mean", "interval": "1s", "memory": 2_000},
            variants=(fast, fixed, fresh), share=0.12,
        ),
    )  # fmt: skip
