"""Has all arithmetic compiled before anybody waits for a decision: `python -m trimtab.engine.warm`, for images.

Compiling takes some twenty seconds where nothing is kept from an earlier time, and a fraction of one where it is.
"""

from typing import Final

from trimtab.engine.ledger import Ledger
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.schemas.evidence import Spec
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Packer, RoutingKey

_SECONDS: Final = 14
"""Long enough for something to leave the shortest window."""
_RESPONSES: Final = 120
_VARIANTS: Final = ("v1", "v2")
_STRATEGIES: Final = (
    {"type": "bandit"},
    {"type": "bandit", "policy": {"type": "topTwo"}},
    {"type": "abTest", "plannedTrials": 1000},
    {"type": "canary"},
)


def warm() -> None:
    """Steers small releases for some seconds, through everything that is compiled."""
    ledger, builder = Ledger(), PaneBuilder(0, FoldSpec(), lambda _: 0)
    names = [f"warm-{number}" for number, _ in enumerate(_STRATEGIES)]
    for number, strategy in enumerate(_STRATEGIES):
        release = _release(names[number], strategy)
        ledger.advance(number, 1_000, Spec(release.name, release.document()))
    offset = len(_STRATEGIES)
    for second in range(1, _SECONDS):
        packer = Packer()
        for name in names:
            for event in range(_RESPONSES):
                key = RoutingKey(name, _VARIANTS[event % 2], "", 0, 0)
                packer.response(key, second * 1_000, 20.0 + event, 500 if event % 40 == 0 else 200)
                packer.outcome(key, second * 1_000, "revenue", event / _RESPONSES)
        builder.update(second, second * 1_000, packer.finish(publisher="", seq=second, sent_ms=second * 1_000))
        for panes in builder.emit()[0].get(0, ()):
            ledger.advance(offset, second * 1_000, panes)
            offset += 1
    Ledger.restore([ledger.snapshot()], [[fold.snapshot()] for fold in ledger.releases.values()])


def _release(name: str, strategy: object) -> Release:
    rails = [
        {"metric": "error_rate", "max": 0.9, "maxRatio": 5},
        {"metric": "latency_p99_ms", "max": 5000, "maxRatio": 5},
        {"metric": "outcome", "name": "revenue", "min": 0.01, "minRatio": 0.01},
    ]
    spec = {
        "baseline": "v1",
        "variants": [{"name": one} for one in _VARIANTS],
        "guardrails": rails,
        "strategy": strategy,
    }
    return Release.model_validate(
        {"apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": name}, "spec": spec}
    )


if __name__ == "__main__":
    warm()
