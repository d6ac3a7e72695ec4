"""Hypothesis strategies: requests whose outcomes come late, again or never, and what each has earned by a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from engine.builders import NOW_MS, NOW_S, request
from engine.evidence_rig import EvidenceRig, decisions
from engine.request_logs import coarse_age
from trimtab.schemas.decision import Decision
from trimtab.schemas.telemetry import Event, Outcome

VARIANTS: Final = ("stable", "canary")
SLOT_MS: Final = 500
_DELAYS_MS = (0, 200, 900, 2_500, 5_000, 7_000, 11_900, 14_000, 25_000, 29_000)
SHARES: Final = (0.0, 1.0, 0.5, 0.25)


@dataclass(frozen=True)
class Asked:
    """A request, and its outcomes in the order in which they come: (delay in ms, value)."""

    number: int
    variant: str
    start_ms: int
    outcomes: tuple[tuple[int, float], ...]

    def events(self) -> list[tuple[int, Event]]:
        """What is told of it, by when."""
        told: list[tuple[int, Event]] = [(self.start_ms, request(self.variant, self.start_ms))]
        for delay_ms, value in self.outcomes:
            at_ms = self.start_ms + delay_ms
            told.append((at_ms, Outcome(
                release="checkout", variant=self.variant, time_ms=at_ms, metric="rating", value=value,
                started_ms=self.start_ms, request=self.number,
            )))  # fmt: skip
        return told

    def counted(self, window_s: int) -> list[float]:
        """The values that came within a window of whole seconds."""
        start_s = self.start_ms // 1000
        ages = [((self.start_ms + delay_ms) // 1000 - start_s, value) for delay_ms, value in self.outcomes]
        return [value for age_s, value in ages if coarse_age(age_s) <= window_s]

    def reward(self, window_s: int, rule: str, default: float) -> float:
        values = self.counted(window_s)
        if not values:
            return default
        return {"first": values[0], "last": values[-1], "sum": sum(values), "max": max(values)}[rule]


def _asked(drawn: tuple[int, tuple[int, bytes]], of: Sequence[float]) -> Asked:
    number, (start, cells) = drawn
    delays = sorted(_DELAYS_MS[cell % len(_DELAYS_MS)] for cell in cells[2:5])[: cells[0] % 4]
    values = [of[cell % len(of)] for cell in cells[5:]]
    outcomes = tuple(zip(delays, values[: len(delays)], strict=True))
    return Asked(number + 1, VARIANTS[cells[1] % 2], NOW_MS + start * 100, outcomes)


def requests(of: Sequence[float] = SHARES) -> st.SearchStrategy[list[Asked]]:
    """Requests of 20 seconds, whose outcomes have these values."""
    drawn = st.lists(st.tuples(st.integers(0, 200), st.binary(min_size=8, max_size=8)), min_size=1, max_size=30)
    return drawn.map(lambda all_of: [_asked(one, of) for one in enumerate(all_of)])


def play(rig: EvidenceRig, asked: Sequence[Asked], until_s: int, *, again: int = 1) -> list[tuple[int, Decision]]:
    """Lets everything come through in its time, `again` times each record; gives decisions and when they were made."""
    told = sorted((event for one in asked for event in one.events()), key=lambda event: event[0])
    made: list[tuple[int, Decision]] = []
    while rig.now_ms < until_s * 1000:
        rig.now_ms += SLOT_MS
        due = [event for at_ms, event in told if at_ms <= rig.now_ms]
        told = told[len(due) :]
        record = rig.panes(*due)
        for _ in range(again if record else 0):
            assert record is not None
            made += [(rig.now_ms, one) for one in decisions(rig.append(record))]
        made += [(rig.now_ms, one) for one in decisions(rig.wait(0))]
    return made


def mature(asked: Sequence[Asked], now_ms: int, window_s: int) -> list[Asked]:
    """The requests whose cohort is mature."""
    tile_s = max(1, window_s // 30)
    return [one for one in asked
            if (one.start_ms // 1000 // tile_s + 1) * tile_s + window_s + 3 <= now_ms // 1000]  # fmt: skip


def last_s(window_s: int) -> int:
    """When everything is mature."""
    return NOW_S + 20 + 30 + window_s + 10
