"""The spans of a worker: a batch folded, a decision, its publication.

* `trimtab.fold`: one for each emission of a telemetry partition that tells of new messages; it links to the requests
  whose traces came with them. Many requests are one batch, so they are linked, and none of them is its parent.
* `trimtab.decide`: begins the trace of its decision (`trace_context`), and links to the batches that it rests on.
* `trimtab.publish`: its child, until Redis has the revision. What a sidecar puts in force is another child of it.

What is not there is left out: without traces in telemetry the trace of a decision begins with its batches.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from trimtab.schemas.decision import Decision
from trimtab.schemas.ids import Revision
from trimtab.schemas.trace_context import MOST_TRACED, TRACEPARENT, TraceContext, context_of, parsed
from trimtab.schemas.tracing import Tracing, traced
from trimtab.streams.chunk import Record

Headers = list[tuple[str, bytes]]
NO_HEADERS: Final[Headers] = []
_MOST_PUBLICATIONS: Final = 10_000


class Traces:
    """Makes the spans of a worker. `clock` gives seconds since the epoch."""

    def __init__(self, tracing: Tracing, clock: Callable[[], float] = time.time) -> None:
        self._tracing, self._clock = tracing, clock
        self._taken: dict[int, _Batch] = {}
        self._heard: dict[str, tuple[int, deque[TraceContext]]] = {}
        """release -> when the broker had the oldest evidence that was not decided on, and batches of it"""
        self._decided_ms: dict[tuple[str, Revision], float] = {}

    def took(self, partition: int, records: Sequence[Record]) -> None:
        """Takes note of telemetry that is about to be folded."""
        for record in records:
            batch = self._taken.setdefault(partition, _Batch(record.timestamp))
            batch.messages += 1
            batch.requests.extend(_contexts(record))

    def folded(self, partition: int) -> Headers:
        """Ends the batch of a partition, which is about to be told; gives the headers of what tells of it."""
        batch = self._taken.pop(partition, None)
        if batch is None:
            return NO_HEADERS
        made = self._tracing.span(
            "trimtab.fold", start_ms=batch.since_ms, end_ms=1000 * self._clock(), links=list(batch.requests),
            attributes={"trimtab.telemetry.partition": partition, "trimtab.telemetry.messages": batch.messages},
        )  # fmt: skip
        return [(TRACEPARENT, made.header)] if made else NO_HEADERS

    def heard(self, releases: Iterable[str], record: Record) -> None:
        """Takes note of evidence on releases."""
        for release in releases:
            _, batches = self._heard.setdefault(release, (record.timestamp, deque(maxlen=MOST_TRACED)))
            batches.extend(_contexts(record))

    def decided(self, made: Decision) -> Headers:
        """Tells of a decision; gives the headers of what tells of it."""
        own, now_ms = context_of(made.release, made.id), 1000 * self._clock()
        since_ms, batches = self._heard.pop(made.release, (now_ms, deque[TraceContext]()))
        found = self._tracing.span(
            "trimtab.decide", start_ms=since_ms, end_ms=now_ms, own=own, links=list(batches),
            attributes={
                "trimtab.release": made.release, "trimtab.era": made.era, "trimtab.revision": made.revision,
                "trimtab.phase": str(made.phase), "trimtab.rule": made.rule,
                **{f"trimtab.weight.{variant}": weight for variant, weight in made.weights.items()},
            },
        )  # fmt: skip
        if found is None:
            return NO_HEADERS
        if len(self._decided_ms) < _MOST_PUBLICATIONS:
            self._decided_ms[made.release, made.id] = now_ms
        return [(TRACEPARENT, own.header)]

    def visible(self, release: str, revision: Revision) -> None:
        """Tells that Redis has a revision; those that it passed over are told no more."""
        began_ms = self._decided_ms.get((release, revision))
        for key in [key for key in self._decided_ms if key[0] == release and key[1] <= revision]:
            del self._decided_ms[key]
        if began_ms is not None:
            self._tracing.span(
                "trimtab.publish", start_ms=began_ms, end_ms=1000 * self._clock(), parent=context_of(release, revision),
                attributes={"trimtab.release": release, "trimtab.revision": revision[1]},
            )  # fmt: skip

    def close(self) -> None:
        """Sends what is there, and ends."""
        self._tracing.close()


class _Batch:
    """What was taken of one telemetry partition since the last emission."""

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        self.messages = 0
        self.requests: deque[TraceContext] = deque(maxlen=MOST_TRACED)


def _contexts(record: Record) -> list[TraceContext]:
    return [found for value in traced(record.headers) if (found := parsed(value))]
