"""Where a sidecar has Envoy's log from: over gRPC, which is light, or from a file, which is exact.

Envoy keeps what it logs over gRPC for a moment only, and drops it in silence where the sidecar does not take it. A
file keeps it: the sidecar goes on where it was, however it ended, and every line is told once.
"""

import threading
from typing import Final, Protocol

from trimtab.client import Telemetry
from trimtab.sidecar.delivery import Delivery
from trimtab.sidecar.envoy.access_log import AccessLog
from trimtab.sidecar.envoy.log_line import LogLines
from trimtab.sidecar.envoy.options import EnvoySidecarOptions
from trimtab.sidecar.log_file import FileSource
from trimtab.sidecar.pump import Pump

_LAST_EVENTS_S: Final = 1.0
"""What Kafka is given at the end, to acknowledge the last events."""


class LogSource(Protocol):
    """What the log comes by, and its account."""

    access_log: AccessLog | None
    """what takes entries over gRPC; None where they come otherwise"""

    @property
    def events(self) -> int:
        """Events that Kafka has."""

    @property
    def dropped(self) -> int:
        """Events that were given up, or had a value that does not fit."""

    @property
    def unattributed(self) -> int:
        """Entries and lines that name no variant of ours."""

    @property
    def entries(self) -> int:
        """Entries that came over gRPC, whoever they are of."""

    @property
    def routed(self) -> dict[tuple[str, str], int]:
        """(release, variant) -> requests."""

    @property
    def answers(self) -> dict[str, int]:
        """What models' answers said of their version -> how many."""

    @property
    def gaps(self) -> int:
        """Times that lines were lost."""

    def close(self) -> None:
        """Publishes what is there, and ends; a second or two are enough."""


class GrpcLog:
    """Entries as Envoy streams them."""

    gaps = 0

    def __init__(self, options: EnvoySidecarOptions) -> None:
        self._telemetry = Telemetry(
            options.kafka,
            publisher=options.id,
            linger_ms=options.linger_ms,
            max_events=options.max_events,
            max_buffered=options.max_buffered,
        )
        self.access_log: AccessLog | None = AccessLog(self._telemetry)
        self._entries = self.access_log

    @property
    def events(self) -> int:
        """Events that Kafka has."""
        return self._telemetry.stats.published

    @property
    def dropped(self) -> int:
        """Events that were given up, or had a value that does not fit."""
        stats = self._telemetry.stats
        return stats.dropped + stats.invalid

    @property
    def unattributed(self) -> int:
        """Entries that name no variant of ours."""
        return self._entries.unattributed

    @property
    def entries(self) -> int:
        """Entries that came, whoever they are of."""
        return self._entries.entries

    @property
    def routed(self) -> dict[tuple[str, str], int]:
        """(release, variant) -> requests."""
        return dict(self._entries.routed)

    @property
    def answers(self) -> dict[str, int]:
        """What models' answers said of their version -> how many."""
        return dict(self._entries.answers.counts)

    def close(self) -> None:
        """Publishes the last events."""
        self._telemetry.close(_LAST_EVENTS_S)


class FileLog:
    """Lines of a file, from where they are not delivered yet. Raises what `FileSource` does."""

    access_log: AccessLog | None = None
    entries = 0

    def __init__(self, options: EnvoySidecarOptions) -> None:
        if options.log is None or options.checkpoint is None:
            raise ValueError("log: expected a file and a checkpoint")
        self._source = FileSource(options.log, options.checkpoint)
        self._stopping, ready = threading.Event(), threading.Event()
        ready.set()  # lines say themselves whose they are
        self._lines = LogLines()
        self._delivery = Delivery(options.kafka, options.id, self._source.note, stopping=self._stopping)
        self._pump = Pump(self._source, self._delivery, self._lines.rows, ready=ready, stopping=self._stopping)
        self._pump.start()

    @property
    def events(self) -> int:
        """Events that Kafka has."""
        return self._delivery.published

    @property
    def dropped(self) -> int:
        """Events that had a value that does not fit."""
        return self._delivery.invalid

    @property
    def unattributed(self) -> int:
        """Lines that are not ours, or name no variant."""
        return self._lines.unattributed

    @property
    def routed(self) -> dict[tuple[str, str], int]:
        """(release, variant) -> requests."""
        return dict(self._lines.routed)

    @property
    def answers(self) -> dict[str, int]:
        """What models' answers said of their version -> how many."""
        return dict(self._lines.answers.counts)

    @property
    def gaps(self) -> int:
        """Times that lines were lost, because a file was gone before it was read."""
        return self._source.gaps

    def close(self) -> None:
        """Ends; what was not delivered is there for the next life."""
        self._stopping.set()
        self._pump.join(_LAST_EVENTS_S)
        self._source.close()


def log_source(options: EnvoySidecarOptions) -> LogSource:
    """Gives the log that the options name."""
    return FileLog(options) if options.log is not None else GrpcLog(options)
