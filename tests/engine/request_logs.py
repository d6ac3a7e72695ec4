"""Hypothesis strategies: logs of requests whose outcomes come late, in pieces and again, and the joining of them.

`joined` is the oracle: it goes through a log event by event, from the rules at the heads of `trimtab.engine.pane`,
`cohort.py` and `repeat.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import strategies as st

from engine.builders import NOW_MS
from engine.reference import Message
from trimtab.engine.pane import FoldSpec
from trimtab.schemas.evidence import REPEATED, VALUE_SCALE
from trimtab.schemas.telemetry import Event, Outcome, Request

SHORT = FoldSpec(repeats_ms=3_000, repeats_per_second=4)
"""So short and so few that both limits are met within a drawn log."""

_STEPS_MS = (0, 100, 300, 700, 1_000, 1_400, -400)
_AGES_MS = (0, 10, 600, 1_300, 2_600)
"""From an event to its message's append time; the last is late."""
_DELAYS_MS = (0, 0, 300, 1_000, 5_000, 17_500, 40_000, 700_000, 9_000_000, -700)
"""From a request to its outcome; 0: not told"""
_VALUES = (0.0, 1.0, 0.5, 2.0, -1.0)
_REVISIONS = ((0, 0), (5, 7), (5, 7), (5, 8), (6, 1))


def _event(cells: bytes, append_ms: int) -> Event:
    variant, segment = ("canary", "stable")[cells[0] % 4 == 0], ("", "mobile")[cells[0] % 3 == 0]
    era, revision = _REVISIONS[cells[1] % len(_REVISIONS)]
    time_ms = append_ms - _AGES_MS[cells[2] % len(_AGES_MS)]
    if cells[3] % 3 == 0:
        return Request(
            release="checkout", variant=variant, segment=segment, time_ms=time_ms, era=era, revision=revision
        )
    delay_ms = _DELAYS_MS[cells[4] % len(_DELAYS_MS)]
    return Outcome(
        release="checkout", variant=variant, segment=segment, time_ms=time_ms, era=era, revision=revision,
        metric=("rating", "converted")[cells[5] % 4 == 0], value=_VALUES[cells[5] // 4 % len(_VALUES)],
        started_ms=time_ms - delay_ms if delay_ms else 0, request=cells[6] % 4,
    )  # fmt: skip


def _log(messages: Sequence[bytes]) -> list[Message]:
    log, append_ms = [], NOW_MS + 500
    for cells in messages:
        append_ms += _STEPS_MS[cells[0] % len(_STEPS_MS)]
        events = tuple(_event(cells[start:], append_ms) for start in range(2, len(cells), 7)[: cells[1] % 5])
        log.append(Message(append_ms, events))
    return log


def request_logs() -> st.SearchStrategy[list[Message]]:
    """Logs of one source from around NOW_MS on."""
    return st.lists(st.binary(min_size=30, max_size=30), min_size=6, max_size=25).map(_log)


@dataclass
class Cells:
    """What a pane tells of requests."""

    cohorts: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    repeats: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    routed: dict[tuple[int, int], int] = field(default_factory=dict)


def joined(log: Sequence[Message], spec: FoldSpec) -> dict[tuple[str, str, int], Cells]:
    """(variant, segment, second) -> what the pane has to tell."""
    panes: dict[tuple[str, str, int], Cells] = {}
    said: list[tuple[tuple[int, str, str], int, float]] = []
    clock_ms = 0
    for message in log:
        clock_ms = max(clock_ms, message.append_ms)
        final_s = (clock_ms - spec.lateness_ms) // 1000
        for event in message.events:
            second = event.time_ms // 1000
            if second < final_s:
                continue
            pane = panes.setdefault((event.variant, event.segment, second), Cells())
            if isinstance(event, Request) and event.revision:
                route = (event.era, event.revision)
                pane.routed[route] = pane.routed.get(route, 0) + 1
            if isinstance(event, Outcome):
                _add(pane, event, second, said, spec)
    return panes


def _add(pane: Cells, event: Outcome, second: int, said: list[tuple[tuple[int, str, str], int, float]],
         spec: FoldSpec) -> None:  # fmt: skip
    age = coarse_age(second - event.started_ms // 1000) if event.started_ms else 0
    if age:
        sums = pane.cohorts.setdefault((event.metric, age), [0, 0, 0])
        sums[:] = [known + more for known, more in zip(sums, (1, *_squared(event.value)), strict=True)]
    if not event.request:
        return
    key = (event.request, event.metric, event.variant)
    last = [(then, value) for of, then, value in said if of == key][-16:]
    earlier = [value for then, value in last if then >= second - spec.repeats_ms // 1000]
    correction = [0] * len(REPEATED)
    if earlier:
        both = int(2 * sum(map(Fraction, earlier)) * Fraction(event.value) * VALUE_SCALE)
        changes = [-n for value in (event.value, earlier[-1], min(event.value, max(earlier)))
                   for n in _squared(value)]  # fmt: skip
        correction = [1, *changes, both, 0]
    if sum(then == second for _, then, _ in said) < spec.repeats_per_second:
        said.append((key, second, event.value))
    else:
        correction[-1] = 1
    if any(correction):
        sums = pane.repeats.setdefault((event.metric, age), [0] * len(REPEATED))
        sums[:] = [known + more for known, more in zip(sums, correction, strict=True)]


def _squared(value: float) -> tuple[int, int]:
    return int(Fraction(value) * VALUE_SCALE), int(Fraction(value) ** 2 * VALUE_SCALE)


def coarse_age(age_s: int) -> int:
    """Exact below 16 s, beyond that the middle of an eighth of an octave, and never more than 4,096."""
    width = 1
    while age_s >= 16 * width:
        width *= 2
    return max(0, min(4_096, age_s // width * width + width // 2))
