"""What one arm did since its release began. Plain integers, so that no sum ever overflows."""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from trimtab.engine.contribution import NO_FAILURES, PaneContent
from trimtab.schemas.evidence import ALWAYS, COUNTS, FAILURES

_REQUESTS, _RESPONSES, _ERRORS, _LATE = (COUNTS.index(name) for name in ("requests", "responses", "errors", "late"))
_ALWAYS: Final = len(ALWAYS)
_counts_in = Struct(f"<{_ALWAYS}q").unpack
_failures_in = Struct(f"<{len(FAILURES)}q").unpack
_NO_SUMS: Final = (0, 0, 0)

TotalsSnapshot = tuple[list[int], dict[str, list[str]]]
"""counts, and sums by metric as decimal texts: they may be longer than any integer of MessagePack"""


@dataclass(slots=True)
class ArmTotals:
    """Counters and sums of outcomes.

    >>> totals = ArmTotals(values={"rating": [2, 3_000_000, 5_000_000]})
    >>> totals.counted, totals.in_flight
    (2, 0)
    """

    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTS))
    """one per name in `COUNTS`"""
    values: dict[str, list[int]] = field(default_factory=dict)
    """metric -> count, sum, sum of squares"""
    slower: dict[int, int] = field(default_factory=dict)
    """latency bucket -> durations above it since somebody asked for them to be counted"""

    @property
    def requests(self) -> int:
        """Requests routed."""
        return self.counts[_REQUESTS]

    @property
    def responses(self) -> int:
        """Requests that ended."""
        return self.counts[_RESPONSES]

    @property
    def errors(self) -> int:
        """Responses that were errors."""
        return self.counts[_ERRORS]

    @property
    def late(self) -> int:
        """Events that came after their second was final."""
        return self.counts[_LATE]

    @property
    def in_flight(self) -> int:
        """Requests that have not ended yet, as of now: its saturation.

        The most that there were at once within a window is not known: panes tell how many began and ended in a second,
        not in which order. Where ends are told of requests that nobody told of, it is 0.
        """
        counts = self.counts  # read often: a decision asks for all arms, and more than once
        return counts[_REQUESTS] - counts[_RESPONSES] if counts[_REQUESTS] > counts[_RESPONSES] else 0

    @property
    def counted(self) -> int:
        """Events that are in the totals."""
        routed_and_ended = self.counts[_REQUESTS] + self.counts[_RESPONSES]
        return routed_and_ended + sum([sums[0] for sums in self.values.values()]) if self.values else routed_and_ended

    def replace(self, old: PaneContent, new: PaneContent) -> None:
        """Takes out a pane's old content and adds its new one."""
        less, more = _counts_in(old.packed_counts), _counts_in(new.packed_counts)
        counts = self.counts
        counts[:_ALWAYS] = [known + gain - loss for known, gain, loss in zip(counts, more, less, strict=False)]
        if old.packed_failures or new.packed_failures:
            less = _failures_in(old.packed_failures or NO_FAILURES)
            more = _failures_in(new.packed_failures or NO_FAILURES)
            counts[_ALWAYS:] = [
                known + gain - loss for known, gain, loss in zip(counts[_ALWAYS:], more, less, strict=True)
            ]
        if old.values or new.values:
            self._replace_values(old, new)
        for bucket in self.slower:
            self.slower[bucket] += new.slower_than(bucket) - old.slower_than(bucket)

    def _replace_values(self, old: PaneContent, new: PaneContent) -> None:
        for metric in {**new.values, **old.values}:
            sums, before = new.values.get(metric, _NO_SUMS), old.values.get(metric, _NO_SUMS)
            total = self.values.setdefault(metric, [0, 0, 0])
            self.values[metric] = [total[place] + sums[place] - before[place] for place in range(3)]

    def without(self, others: "list[ArmTotals]") -> "ArmTotals":
        """Gives what is in none of `others`, which are parts of it."""
        counts = [
            total - sum(part) for total, *part in zip(self.counts, *(other.counts for other in others), strict=True)
        ]
        values = {
            metric: [total - sum(parts) for total, *parts in zip(sums, *(
                other.values.get(metric, _NO_SUMS) for other in others
            ), strict=True)]
            for metric, sums in self.values.items()
        }  # fmt: skip
        return ArmTotals(counts, values)

    def snapshot(self) -> TotalsSnapshot:
        """Gives the totals as plain data."""
        return list(self.counts), {metric: list(map(str, sums)) for metric, sums in self.values.items()}

    @classmethod
    def restore(cls, snapshot: TotalsSnapshot) -> "ArmTotals":
        """Gives the totals of which `snapshot` was taken, with zeros for counters that it does not know."""
        counts, values = snapshot
        padded = [*counts, *[0] * (len(COUNTS) - len(counts))]
        return cls(padded, {metric: list(map(int, texts)) for metric, texts in values.items()})
