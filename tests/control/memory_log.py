"""An evidence partition in memory, with the decisions that a ledger makes of it."""

from collections.abc import Iterable, Iterator, Sequence

from engine.evidence_rig import EvidenceRig
from trimtab.control.kafka_log import Entry
from trimtab.engine.ledger import Ledger
from trimtab.schemas.decision import Decision, encode
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import decode
from trimtab.schemas.evidence import encode as encode_evidence


class MemoryLog:
    """Records and recorded decisions as a test puts them together."""

    def __init__(self, records: Iterable[tuple[int, bytes]], recorded: Iterable[bytes] | None = None) -> None:
        """`recorded`: decisions, encoded; what a ledger decides on the records by default."""
        self.partition, self.start = 3, 0
        self.entries = [Entry(offset, time_ms, value) for offset, (time_ms, value) in enumerate(records)]
        self.recorded = [*map(encode, decided(self.entries))] if recorded is None else [*recorded]

    def records(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.offset >= self.start)

    def decisions(self) -> Iterator[Entry]:
        return (Entry(offset, 0, payload) for offset, payload in enumerate(self.recorded))


def decided(entries: Sequence[Entry]) -> list[Decision]:
    """What a worker decides: records that cannot be read are passed over."""
    ledger, made = Ledger(), []
    for offset, time_ms, value in entries:
        try:
            record = decode(value)
        except InvalidRecord:
            continue
        made += [published.decision for published in ledger.advance(offset, time_ms, record).published]
    return made


def log_of(rig: EvidenceRig) -> MemoryLog:
    return MemoryLog([(time_ms, encode_evidence(record)) for time_ms, record in rig.log])
