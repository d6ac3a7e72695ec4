"""Hypothesis strategies: logs of telemetry, as nasty as brokers and publishers can make them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from engine.builders import NOW_MS
from engine.reference import Message
from trimtab.schemas.telemetry import Event, Outcome, Request, Response

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
_SKEWS_MS = (None, None, None, 0, 1_000, 1_001, -1_000, -1_001, 30_000, -45_000)
"""How far a publisher's clock is behind; None: it does not say."""


_SIZES = st.sampled_from((0, 700, 2**32 - 1))


@st.composite
def _events(draw: st.DrawFn, time_ms: int, ages_ms: Sequence[int]) -> Event:
    place = {
        "release": draw(st.sampled_from(RELEASES)),
        "variant": draw(st.sampled_from(VARIANTS)),
        "segment": draw(st.sampled_from(SEGMENTS)),
        "time_ms": time_ms - draw(st.sampled_from(ages_ms)),
    }
    match draw(st.integers(0, 3)):
        case 0:
            return Request(**place)
        case 1:
            value = draw(st.sampled_from((0.0, 1.0, 0.25, 3.5, -2.0)))
            return Outcome(**place, metric=draw(st.sampled_from(METRICS)), value=value)
        case _:
            duration_ms = draw(st.sampled_from((0.0, 0.01, 3.0, 250.0, 4_000_000.0)))
            status, failure = draw(st.sampled_from(((200, 0), (404, 0), (500, 0), (0, 1), (0, 5), (429, 4))))
            return Response(**place, duration_ms=duration_ms, status=status, failure=failure, bytes=draw(_SIZES))


_DENSE_LOG = st.lists(
    st.tuples(
        st.sampled_from((0, 300, 600, 900, -500)), st.lists(st.sampled_from((10, 600, 1_300, 2_600)), max_size=3)
    ),
    min_size=5,
    max_size=25,
)


def dense_logs() -> st.SearchStrategy[list[Message]]:
    """Logs of one variant whose messages reach over several seconds each."""

    def of(steps: list[tuple[int, list[int]]]) -> list[Message]:
        log, append_ms = [], NOW_MS
        for step_ms, ages_ms in steps:
            append_ms += step_ms
            events = [Request(release="checkout", variant="canary", time_ms=append_ms - age_ms) for age_ms in ages_ms]
            log.append(Message(append_ms, tuple(events)))
        return log

    return _DENSE_LOG.map(of)


@st.composite
def _log(draw: st.DrawFn, steps_ms: Sequence[int], ages_ms: Sequence[int], most: int) -> list[Message]:
    log = []
    append_ms = NOW_MS + draw(st.integers(0, 999))
    for _ in range(draw(st.integers(1, most))):
        append_ms += draw(st.sampled_from(steps_ms))
        skew_ms = draw(st.sampled_from(_SKEWS_MS))
        is_corrected = skew_ms is not None and abs(skew_ms) > 1_000
        stamped_ms = append_ms - (skew_ms or 0) if is_corrected else append_ms
        events = draw(st.lists(_events(stamped_ms, ages_ms), max_size=4))
        log.append(Message(append_ms, tuple(events), 0 if skew_ms is None else append_ms - skew_ms))
    return log


def steady_logs(*, most: int = 25) -> st.SearchStrategy[list[Message]]:
    """Logs of one source from around NOW_MS on, with messages close together."""
    return _log(STEADY_STEPS_MS, STEADY_AGES_MS, most)


def logs(*, most: int = 14) -> st.SearchStrategy[list[Message]]:
    """Logs of one source from around NOW_MS on, of any kind."""
    return st.one_of(steady_logs(), _log(NASTY_STEPS_MS, NASTY_AGES_MS, most))


def short_logs() -> st.SearchStrategy[list[Message]]:
    """Logs so short that whatever is sent of them is still remembered at their end, whichever comes last."""
    return steady_logs().map(lambda log: [message for message in log if message.append_ms < NOW_MS + 4_000])
