"""Hypothesis strategies: logs of telemetry, as nasty as brokers and publishers can make them.

A message is drawn as one string of bytes, of which each byte picks one thing: that is many times faster than a draw
for every field of every event.
"""

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

from engine.builders import NOW_MS
from engine.reference import Message
from trimtab.schemas.telemetry import Event, Outcome, Request, Response

T = TypeVar("T")

RELEASES = ("checkout", "checkout", "checkout", "checkout", "search", "ghost")
"""`ghost` is never applied. Most events share a few panes, so that panes are fed by many messages."""
VARIANTS = ("canary", "canary", "canary", "stable", "phantom")
"""`phantom` takes part in no release."""
SEGMENTS = ("", "", "mobile")
METRICS = ("converted", "revenue")

NASTY_STEPS_MS = (0, 0, 0, 1, 40, 300, 999, 1_000, 2_400, 4_000, 9_000, 75_000, -1, -700, -2_500)
"""From one message to the next: several a millisecond, a clock that stands still, jumps, or goes back."""
NASTY_AGES_MS = (0, 0, 10, 400, 990, 1_500, 2_001, 2_999, 3_000, 3_500, 8_000, -400, -3_000, -60_000, -60_001, -70_000)
"""From an event to its message's append time; negative: ahead of it."""
STEADY_STEPS_MS = (0, 100, 200, 300, 500, 700, 1_000, -400)
STEADY_AGES_MS = (0, 0, 10, 200, 600, 1_100, 1_900, 2_600, 3_300)
SKEWS_MS = (None, None, None, 0, 1_000, 1_001, -1_000, -1_001, 30_000, -45_000)
"""How far a publisher's clock is behind; None: it does not say."""
DURATIONS_MS = (0.0, 0.01, 3.0, 250.0, 4_000_000.0)
ENDS = ((200, 0), (200, 0), (404, 0), (500, 0), (0, 1), (0, 5), (429, 4), (503, 2), (0, 3), (404, 1), (0, 77))
"""status, failure"""
SIZES = (0, 700, 2**32 - 1)
VALUES = (0.0, 1.0, 0.25, 3.5, -2.0)
_HEAD_BYTES, _EVENT_BYTES, _MOST_EVENTS = 3, 7, 4


def _pick(options: Sequence[T], byte: int) -> T:
    return options[byte % len(options)]


def _event(cells: bytes, append_ms: int, ages_ms: Sequence[int]) -> Event:
    release, variant, segment = _pick(RELEASES, cells[0]), _pick(VARIANTS, cells[1]), _pick(SEGMENTS, cells[2])
    request = Request(release=release, variant=variant, segment=segment, time_ms=append_ms - _pick(ages_ms, cells[3]))
    match cells[4] % 4:
        case 0:
            return request
        case 1:
            return Outcome(
                release=release, variant=variant, segment=segment, time_ms=request.time_ms,
                metric=_pick(METRICS, cells[5]), value=_pick(VALUES, cells[6]),
            )  # fmt: skip
        case _:
            status, failure = _pick(ENDS, cells[5])
            return Response(
                release=release, variant=variant, segment=segment, time_ms=request.time_ms, status=status,
                failure=failure, duration_ms=_pick(DURATIONS_MS, cells[6]), bytes=_pick(SIZES, cells[4] // 4),
            )  # fmt: skip


def _log(messages: Sequence[bytes], steps_ms: Sequence[int], ages_ms: Sequence[int]) -> list[Message]:
    log, append_ms = [], NOW_MS + 500
    for cells in messages:
        append_ms += _pick(steps_ms, cells[0])
        skew_ms = _pick(SKEWS_MS, cells[1])
        stamped_ms = append_ms - skew_ms if skew_ms is not None and abs(skew_ms) > 1_000 else append_ms
        starts = range(_HEAD_BYTES, len(cells), _EVENT_BYTES)[: cells[2] % (_MOST_EVENTS + 1)]
        events = tuple(_event(cells[start:], stamped_ms, ages_ms) for start in starts)
        log.append(Message(append_ms, events, 0 if skew_ms is None else append_ms - skew_ms))
    return log


_SIZE = _HEAD_BYTES + _MOST_EVENTS * _EVENT_BYTES
_messages = st.lists(st.binary(min_size=_SIZE, max_size=_SIZE), min_size=7, max_size=25)


def steady_logs() -> st.SearchStrategy[list[Message]]:
    """Logs of one source from around NOW_MS on, with messages close together."""
    return _messages.map(lambda messages: _log(messages, STEADY_STEPS_MS, STEADY_AGES_MS))


def logs() -> st.SearchStrategy[list[Message]]:
    """Logs of one source from around NOW_MS on, of any kind."""
    return st.one_of(steady_logs(), _messages.map(lambda messages: _log(messages, NASTY_STEPS_MS, NASTY_AGES_MS)))


def short_logs() -> st.SearchStrategy[list[Message]]:
    """Logs so short that whatever is sent of them is still remembered at their end, whichever comes last."""
    return steady_logs().map(lambda log: [message for message in log if message.append_ms < NOW_MS + 4_000])


def dense_logs() -> st.SearchStrategy[list[Message]]:
    """Logs of one variant whose messages reach over several seconds each."""

    def of(messages: list[bytes]) -> list[Message]:
        log, append_ms = [], NOW_MS
        for cells in messages:
            append_ms += _pick((0, 300, 600, 900, -500), cells[0])
            times_ms = [append_ms - _pick((10, 600, 1_300, 2_600), cell) for cell in cells[1 : 1 + cells[1] % 4]]
            events = [Request(release="checkout", variant="canary", time_ms=time_ms) for time_ms in times_ms]
            log.append(Message(append_ms, tuple(events)))
        return log

    return st.lists(st.binary(min_size=3, max_size=4), min_size=8, max_size=25).map(of)
