"""Windows that are kept up to date, whoever looked at them when."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.builders import NOW_S, content
from engine.test_window import plain
from trimtab.engine.contribution import NOTHING, PaneContent
from trimtab.engine.errors import EngineError
from trimtab.engine.history import History
from trimtab.engine.window import HOP_MS, Keep

VARIANTS = ("stable", "canary")
KEEP = Keep(lengths_ms=tuple(HOP_MS), tumbling_ms=(10_000,), metrics=("rating",), segments=("mobile",))

contents = st.builds(
    lambda count, errors, bucket: content(
        responses=count, errors=errors, latency={bucket: count}, values={"rating": (count, -count, 7)}
    ),
    st.integers(1, 9), st.integers(0, 3), st.integers(0, 900),
)  # fmt: skip
panes = st.tuples(
    st.sampled_from(VARIANTS),
    st.tuples(st.integers(0, 1), st.integers(-400, 3), st.sampled_from(("", "mobile", "tablet"))),
    contents,
)
steps = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 1, 2, 9, 31, 700)), st.lists(panes, max_size=4), st.lists(st.sampled_from(tuple(HOP_MS)))
    ),
    max_size=25,
)
Pane = tuple[str, tuple[int, int, str], PaneContent]
Steps = list[tuple[int, list[Pane], list[int]]]


def replace(history: History, known: dict[object, PaneContent], now_s: int, drawn: Sequence[Pane]) -> None:
    for variant, (source, ago_s, segment), new in drawn:
        place = (source, now_s + ago_s, segment)
        history.replace(variant, place, known.get((variant, place), NOTHING), new)
        known[variant, place] = new


@given(steps)
def test_a_window_is_the_same_whoever_looked_before(drawn: Steps) -> None:
    seen, unseen, known, now_s = History(KEEP), History(KEEP), dict[object, PaneContent](), NOW_S
    seen.admit(VARIANTS)
    unseen.admit(VARIANTS)
    for wait_s, brought, lengths_ms in drawn:
        now_s += wait_s
        for history in (seen, unseen):
            history.advance(now_s)
            replace(history, dict(known) if history is seen else known, now_s, brought)
        for length_ms in lengths_ms:
            assert seen.window("canary", length_ms, None)
    for variant in VARIANTS:
        for length_ms in HOP_MS:
            assert plain(seen.window(variant, length_ms, None)) == plain(unseen.window(variant, length_ms, None))
            parts = [unseen.window(variant, length_ms, segment) for segment in ("", "mobile")]
            assert seen.window(variant, length_ms, None).responses == sum(part.responses for part in parts)
    assert seen.snapshot() == unseen.snapshot()


@given(steps)
def test_what_was_seen_does_not_change_with_what_comes(drawn: Steps) -> None:
    history, known, now_s = History(KEEP), dict[object, PaneContent](), NOW_S
    history.admit(VARIANTS)
    history.replace("canary", (0, NOW_S, ""), NOTHING, content(responses=3, latency={7: 3}))
    history.advance(NOW_S)
    window = history.window("canary", 60_000, None)
    before = plain(window)
    for wait_s, brought, lengths_ms in drawn:
        now_s += wait_s
        history.advance(now_s)
        replace(history, known, now_s, brought)
        for length_ms in lengths_ms:
            history.window("canary", length_ms, None)
    assert plain(window) == before


def test_a_window_that_is_not_kept_cannot_be_looked_at() -> None:
    history = History(Keep(lengths_ms=(10_000,)))
    history.admit(VARIANTS)
    with pytest.raises(EngineError, match="sliding window of 60000 ms"):
        history.window("canary", 60_000, None)


def test_a_window_may_be_looked_at_before_any_time_has_passed() -> None:
    history = History(Keep(lengths_ms=(10_000,)))
    history.admit(VARIANTS)
    assert history.window("canary", 10_000, None).responses == 0
    history.replace("canary", (0, 0, ""), NOTHING, content(responses=3, latency={7: 3}))
    assert history.window("canary", 10_000, None).responses == 3
