"""The release file that the demo applies."""

from collections.abc import Mapping
from typing import Final

import yaml

from trimtab.control.demo.options import DemoOptions, Strategy
from trimtab.control.demo.scenario import BASELINE, FLOOR_BP, STEPS_BP, VARIANTS, hold_s, story

RELEASE: Final = "checkout"


def release_text(options: DemoOptions) -> str:
    """Gives the release of a run as YAML, as a person would write it."""
    tale = story(options)
    document = {
        "apiVersion": "trimtab.dev/v1",
        "kind": "Release",
        "metadata": {"name": RELEASE, "labels": {"scenario": str(options.scenario)}},
        "spec": {
            "baseline": BASELINE,
            "variants": [{"name": name} for name in VARIANTS],
            "objective": {"metric": tale.objective},
            "guardrails": [dict(guardrail) for guardrail in tale.guardrails],
            "limits": {"minWeight": FLOOR_BP, "maxStep": 2_000},
            "strategy": _strategy(options),
        },
    }
    return yaml.safe_dump(document, sort_keys=False)


def _strategy(options: DemoOptions) -> Mapping[str, object]:
    match options.strategy:
        case Strategy.CANARY:
            return {"type": "canary", "steps": list(STEPS_BP), "hold": f"{hold_s(options.duration_s) * 1000:.0f}ms"}
        case Strategy.BANDIT:
            return {"type": "bandit", "interval": "1s"}
