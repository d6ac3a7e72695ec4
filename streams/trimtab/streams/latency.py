"""How fast a worker reacts: from what was seen to the weights that rest on it, as histograms.

What is measured is the wait of the telemetry message that waits longest: the oldest one that an emission of the fold
tells of for the first time, and of its events the newest. Event times are its publisher's clock, corrected as the fold
corrects them, the instants between are the broker's, and those at the end are the worker's: what their clocks differ
by is in the figures. A wait for a strategy's interval is part of it. Releases that are over or queued are not measured.
"""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, Histogram

from trimtab.engine.batch import Message
from trimtab.engine.pane import FoldSpec
from trimtab.schemas.ids import Revision

_BUCKETS_S: Final = (
    0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip

MOST_TOLD: Final = 200
"""Reactions that are remembered of a release until they are told of, which is every second: ten are usual at most."""

STAGES: Final = ("telemetry", "fold", "decide", "publish")


@dataclass(slots=True)
class _Waiting:
    """A revision that is not visible yet."""

    id: Revision
    event_ms: int
    decided_s: float


class Latency:
    """Observes the stages of a worker's way from telemetry to weights. `clock` gives seconds since the epoch."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[int, int]] = {}
        """release -> the oldest that was heard of it since its newest decision: times of the event and of the append"""
        self._waiting: dict[str, _Waiting] = {}
        self._told: dict[str, list[int]] = {}
        """release that somebody watches -> milliseconds of its reactions since it was last told of"""
        self._reaction = Histogram(
            "trimtab_decision_latency_seconds",
            "From the time of an event to the weights that rest on it, visible in Redis",
            buckets=_BUCKETS_S, registry=registry,
        )  # fmt: skip
        stages = Histogram(
            "trimtab_stage_latency_seconds", "The same by stage", ["stage"], buckets=_BUCKETS_S, registry=registry
        )
        self._telemetry, self._fold, self._decide, self._publish = (stages.labels(stage) for stage in STAGES)

    def folded(self, event_ms: int, append_ms: int) -> None:
        """Takes note that the fold has emitted a message that the broker has had since `append_ms`."""
        self._telemetry.observe((append_ms - event_ms) / 1000)
        self._fold.observe(max(0.0, self._clock() - append_ms / 1000))

    def heard(self, releases: Iterable[str], event_ms: int, append_ms: int) -> None:
        """Takes note of evidence on releases that the broker has had since `append_ms`, and that was not decided on."""
        for release in releases:
            self._heard.setdefault(release, (event_ms, append_ms))

    def decided(self, release: str, revision: Revision) -> None:
        """Takes note of a decision: on all evidence that was heard of its release.

        One that another passes over before it is visible hands on how long its events have waited.
        """
        now_s, before = self._clock(), self._waiting.get(release)
        known = [before.event_ms] if before else []
        if release in self._heard:
            event_ms, append_ms = self._heard.pop(release)
            self._decide.observe(max(0.0, now_s - append_ms / 1000))
            known.append(event_ms)
        if known:
            self._waiting[release] = _Waiting(revision, min(known), now_s)

    def visible(self, release: str, revision: Revision) -> None:
        """Takes note that Redis has a revision."""
        waiting = self._waiting.get(release)
        if waiting is None or waiting.id > revision:
            return
        del self._waiting[release]
        now_s = self._clock()
        self._publish.observe(max(0.0, now_s - waiting.decided_s))
        self._reaction.observe(max(0.0, now_s - waiting.event_ms / 1000))
        told = self._told.get(release)
        if told is not None and len(told) < MOST_TOLD:
            told.append(max(0, round(1000 * now_s) - waiting.event_ms))

    def watch(self, releases: Collection[str]) -> None:
        """Remembers reactions of these releases from now on, and of no others."""
        self._told = {release: self._told.get(release, []) for release in releases}

    def tell(self, release: str) -> tuple[list[int], int]:
        """Gives how many milliseconds each reaction took since this was last asked, and how long an event waits now.

        The latter is 0 where every revision is visible.
        """
        took_ms, waiting = self._told.get(release, []), self._waiting.get(release)
        self._told[release] = []
        return took_ms, max(0, round(1000 * self._clock()) - waiting.event_ms) if waiting else 0

    def forget(self, release: str) -> None:
        """Forgets a release that another worker speaks for."""
        self._waiting.pop(release, None)
        self._heard.pop(release, None)


class Awaited:
    """The message that has waited longest for an emission of the fold."""

    __slots__ = ("_spec", "append_ms", "event_ms")

    def __init__(self, spec: FoldSpec) -> None:
        self._spec = spec
        self.event_ms = 0
        """of its newest event; 0 while none waits"""
        self.append_ms = 0

    def note(self, messages: Iterable[Message]) -> None:
        """Takes note of messages that were folded. Those whose events are all late wait for nothing."""
        for message in messages if not self.event_ms else ():
            if message.batch.count and (event_ms := self._newest_ms(message)):
                self.event_ms, self.append_ms = event_ms, message.append_ms
                return

    def emitted(self) -> None:
        """Takes note that all of them were emitted."""
        self.event_ms = 0

    def _newest_ms(self, message: Message) -> int:
        """Gives when the newest event was, at most when the broker had the message; 0 where it was late."""
        batch, append_ms = message.batch, message.append_ms
        times = np.frombuffer(batch.time, dtype="<i4")
        newest_ms = batch.base_ms + (int(times.max()) if len(times) else 0)
        skew = append_ms - batch.sent_ms if batch.sent_ms else 0
        newest_ms = min(append_ms, newest_ms + (skew if abs(skew) > self._spec.skew_ms else 0))
        return newest_ms if newest_ms // 1000 >= (append_ms - self._spec.lateness_ms) // 1000 else 0
