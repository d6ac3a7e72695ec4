"""Where a span belongs: W3C's `traceparent`, and the trace that each decision has.

The trace of a decision follows from its release and revision. So a sidecar that puts a revision in force knows which
trace that belongs to, and weights need no field for it.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from trimtab.schemas.ids import Revision

TRACEPARENT: Final = "traceparent"
"""The header of Kafka messages and of requests. Telemetry may have it several times: once for each request that is
told."""
MOST_TRACED: Final = 16
"""Requests of one message that are told at most, and links of one span: who follows one of them finds the way."""

_FORM: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span, by its numbers.

    >>> parsed("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").header
    b'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    """

    trace_id: int
    """128 bit, not 0"""
    span_id: int
    """64 bit, not 0"""

    @property
    def header(self) -> bytes:
        """The value of `traceparent`."""
        return b"00-%032x-%016x-01" % (self.trace_id, self.span_id)


def parsed(value: str | bytes) -> TraceContext | None:
    """Gives what a `traceparent` says; None for one that is of no use: not sampled, or none at all."""
    match = _FORM.fullmatch(value.encode(errors="replace") if isinstance(value, str) else value)
    if match is None or not int(match[3], 16) & _SAMPLED:
        return None
    trace_id, span_id = int(match[1], 16), int(match[2], 16)
    return TraceContext(trace_id, span_id) if trace_id and span_id else None


def context_of(release: str, revision: Revision) -> TraceContext:
    """Gives the span of the decision with which a trace begins: of every process the same.

    >>> context_of("checkout", (7, 1)) == context_of("checkout", (7, 1)) != context_of("checkout", (7, 2))
    True
    """
    digest = blake2b(f"{release}/{revision[0]}.{revision[1]}".encode(), digest_size=24, person=b"trimtab").digest()
    return TraceContext(int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:]) or 1)
