"""Evidence as a fold worker would write it: contributions of steady traffic to releases of several variants."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.schemas.evidence import Panes, Spec
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Packer, RoutingKey

NOW_MS: Final = 1_700_000_000_000
_SEED: Final = 1
_ERROR_RATIO: Final = 0.01
_MEDIAN_MS: Final = 20.0
_SPREAD: Final = 0.5


def spec_of(name: str, variants: int, interval: str) -> Spec:
    """Gives a bandit with two guardrails, on errors and on latency, that nothing breaks."""
    names = [f"v{number}" for number in range(variants)]
    release = Release.model_validate(
        {
            "apiVersion": "trimtab.dev/v1",
            "kind": "Release",
            "metadata": {"name": name},
            "spec": {
                "baseline": names[0],
                "variants": [{"name": variant} for variant in names],
                "guardrails": [{"metric": "error_rate", "max": 0.05}, {"metric": "latency_p99_ms", "max": 400}],
                "strategy": {"type": "bandit", "interval": interval},
            },
        }
    )
    return Spec(release=name, document=release.document())


class EvidenceFeed:
    """What one source partition tells of releases, emission by emission."""

    def __init__(self, releases: Sequence[str], *, variants: int, segments: int = 1, events: int = 20) -> None:
        """`events`: responses of each variant in each segment between two emissions."""
        self._builder = PaneBuilder(0, FoldSpec(), lambda _: 0)
        self._rng = np.random.default_rng(_SEED)
        self._keys = [
            RoutingKey(release, f"v{variant}", f"s{segment}" if segments > 1 else "", 1, 1)
            for release in releases
            for variant in range(variants)
            for segment in range(segments)
        ]
        self._events = events
        self.now_ms = NOW_MS

    def records(self, count: int, step_ms: int) -> Iterator[tuple[int, Panes]]:
        """Gives (append time, contribution) of as many emissions, `step_ms` apart."""
        for _ in range(count):
            self.now_ms += step_ms
            self._bring()
            panes, mark = self._builder.emit()
            self._builder.acknowledge(mark)
            yield from ((self.now_ms, record) for record in panes[0])

    def _bring(self) -> None:
        packer = Packer()
        count = len(self._keys) * self._events
        durations = self._rng.lognormal(np.log(_MEDIAN_MS), _SPREAD, count).tolist()
        failed = (self._rng.random(count) < _ERROR_RATIO).tolist()
        for number, key in enumerate(self._keys):
            for event in range(number * self._events, (number + 1) * self._events):
                packer.response(key, self.now_ms - 1, durations[event], 500 if failed[event] else 200)
        batch = packer.finish(publisher="feed", seq=0, sent_ms=0)
        self._builder.update(self._builder.next_offset, self.now_ms, batch)


def rows_of_responses(count: int, variants: int, seed: int) -> list[dict[str, object]]:
    """Gives responses as rows, as anybody might write them by hand."""
    rng = np.random.default_rng(seed)
    durations = rng.lognormal(np.log(_MEDIAN_MS), _SPREAD, count).round(3).tolist()
    return [
        {
            "kind": "response", "release": "checkout", "variant": f"v{variant}", "time_ms": NOW_MS + event // 10,
            "segment": "eu", "era": 1, "revision": 7, "duration_ms": durations[event],
            "status": 500 if failed else 200, "bytes": 512,
        }
        for event, (variant, failed) in enumerate(
            zip(rng.integers(0, variants, count).tolist(), (rng.random(count) < _ERROR_RATIO).tolist(), strict=True)
        )
    ]  # fmt: skip
