"""Names of the Kafka topics, and which partition of the evidence log a release lives in."""

from typing import Final
from zlib import crc32

from trimtab.schemas.ids import service_of

TELEMETRY: Final = "trimtab.telemetry"
"""What proxies and services saw: batches of request, response and outcome events. Key: the publisher."""

EVIDENCE: Final = "trimtab.evidence"
"""All that a decision may depend on, partitioned by service (`evidence_partition`)."""

DECISIONS: Final = "trimtab.decisions"
"""Every decision with its reasons, in order. Key: the release."""

WEIGHTS: Final = "trimtab.weights"
"""The newest weights of each release (compacted). Key: the release."""

DEAD_LETTERS: Final = "trimtab.dead-letters"
"""What could not be counted, with its reason and its place in the source."""

LABELS: Final = "trimtab.labels"
"""What models answered and what turned out to be true. Key: the request's id."""

AUDIT: Final = "trimtab.audit"
"""Who changed what, and why. Key: the release. One partition: its order is that of the entries."""


def evidence_partition(release: str, partitions: int) -> int:
    """Gives the evidence partition of `release`: CRC-32 of its service's UTF-8 name, modulo the number of partitions.

    Of all releases of a service it is the same one.
    """
    return crc32(service_of(release).encode()) % partitions
