"""The decisions of one release in their order, each once, from `trimtab.decisions`."""

from collections.abc import Iterable, Iterator

from trimtab.control.kafka_log import Entry, KafkaLog
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.ids import NO_REVISION
from trimtab.schemas.topics import DECISIONS, evidence_partition


class DecisionLog:
    """Reads one release's decisions. Everything raises `Unreachable` where Kafka does not answer."""

    def __init__(self, log: KafkaLog, release: str) -> None:
        self._log, self._release = log, release
        self._partition = evidence_partition(release, log.partitions(DECISIONS))
        self.unread = 0
        """records that are none of ours, or of a newer version, and were passed over"""

    def since(self, time_ms: int) -> Iterator[Decision]:
        """Gives those that were made since then, up to now."""
        start = self._log.place_at(DECISIONS, self._partition, time_ms)
        _, end = self._log.bounds(DECISIONS, self._partition)
        yield from self._decoded(self._log.read(DECISIONS, self._partition, start, end))

    def follow(self, time_ms: int) -> Iterator[Decision]:
        """Gives those that were made since then, and all that come; never ends by itself."""
        start = self._log.place_at(DECISIONS, self._partition, time_ms)
        yield from self._decoded(self._log.follow(DECISIONS, self._partition, start))

    def _decoded(self, entries: Iterable[Entry]) -> Iterator[Decision]:
        newest = NO_REVISION
        mark = f'"release":"{self._release}"'.encode()
        for entry in entries:
            if mark not in entry.value:
                continue
            try:
                decision = decode_decision(entry.value)
            except InvalidRecord:
                self.unread += 1
                continue
            # A worker that was started again writes some once more, the same to the bit.
            if decision.release == self._release and decision.id > newest:
                newest = decision.id
                yield decision
