"""What the traffic generator saw: the demo's own record, which Trimtab has no part in."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Exchange(NamedTuple):
    """One request and what came back, in seconds since the traffic started."""

    sent_s: float
    latency_ms: float
    variant: str
    """empty where nothing came back"""
    status: int
    """0 where nothing came back in time"""
    converted: bool

    @property
    def ended_s(self) -> float:
        """When the response, or the end of patience, came."""
        return self.sent_s + self.latency_ms / 1000

    @property
    def failed(self) -> bool:
        """Whether the client went away empty-handed."""
        return self.status == 0 or self.status >= 500  # noqa: PLR2004 - HTTP's server errors

    def is_bad(self, latency_limit_ms: float) -> bool:
        """Whether it failed, or took longer than is allowed."""
        return self.failed or self.latency_ms > latency_limit_ms


@dataclass(frozen=True, slots=True)
class Tally:
    """What a variant got and did in some span of time."""

    variant: str
    requests: int
    share: float
    """of all requests in the span; 0 where there were none"""
    errors: int
    p50_ms: float
    """not a number without requests, as p99_ms"""
    p99_ms: float
    conversions: int


@dataclass(slots=True)
class Ledger:
    """Every exchange of a run, in the order in which they ended."""

    exchanges: list[Exchange] = field(default_factory=list)

    def add(self, exchange: Exchange) -> None:
        """Takes one exchange in."""
        self.exchanges.append(exchange)

    def sent_since(self, start_s: float) -> list[Exchange]:
        """Gives what was sent at `start_s` or later."""
        return [exchange for exchange in self.exchanges if exchange.sent_s >= start_s]

    def ended_since(self, start_s: float) -> list[Exchange]:
        """Gives what ended at `start_s` or later, in time proportional to it."""
        first = len(self.exchanges)
        while first and self.exchanges[first - 1].ended_s >= start_s:
            first -= 1
        return self.exchanges[first:]

    def of(self, variant: str) -> list[Exchange]:
        """Gives what `variant` answered."""
        return [exchange for exchange in self.exchanges if exchange.variant == variant]


def tally(exchanges: Sequence[Exchange], variants: Iterable[str]) -> list[Tally]:
    """Gives what each variant got and did in `exchanges`."""
    return [_tally(variant, exchanges) for variant in variants]


def _tally(variant: str, exchanges: Sequence[Exchange]) -> Tally:
    own = [exchange for exchange in exchanges if exchange.variant == variant]
    latencies = sorted(exchange.latency_ms for exchange in own)
    return Tally(
        variant=variant,
        requests=len(own),
        share=len(own) / len(exchanges) if exchanges else 0.0,
        errors=sum(exchange.failed for exchange in own),
        p50_ms=quantile(latencies, 0.50),
        p99_ms=quantile(latencies, 0.99),
        conversions=sum(exchange.converted for exchange in own),
    )


def quantile(ascending: Sequence[float], q: float) -> float:
    """Gives the q-quantile by the nearest rank; not a number for an empty sequence."""
    if not ascending:
        return math.nan
    return ascending[max(0, math.ceil(q * len(ascending)) - 1)]
