"""Release files as the evidence log has them: which one was in force at a revision."""

from typing import Final

from trimtab.control.kafka_log import KafkaLog
from trimtab.schemas import evidence
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.topics import EVIDENCE, evidence_partition

_STRETCH: Final = 20_000
"""Records that are read at a time, going back."""
_KIND: Final = b"spec"


def spec_at(log: KafkaLog, release: str, revision: int) -> bytes | None:
    """Gives the document in force when the decision with that number was made; None where it is not kept any more.

    Read backwards in stretches. Raises `Unreachable` where Kafka does not answer.
    """
    partition = evidence_partition(release, log.partitions(EVIDENCE))
    low, high = log.bounds(EVIDENCE, partition)
    stop = min(high, revision)  # the record that caused a decision has its number less one
    name = release.encode()
    while stop > low:
        start = max(low, stop - _STRETCH)
        newest = None
        for entry in log.read(EVIDENCE, partition, start, stop):
            if _KIND in entry.value[:64] and name in entry.value:
                newest = _document(entry.value, release) or newest
        if newest is not None:
            return newest
        stop = start
    return None


def _document(payload: bytes, release: str) -> bytes | None:
    try:
        record = evidence.decode(payload)
    except InvalidRecord:
        return None
    return record.document if isinstance(record, evidence.Spec) and record.release == release else None
