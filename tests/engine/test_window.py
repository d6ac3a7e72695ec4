"""Windows against sums over the raw seconds."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.builders import content
from trimtab.engine.errors import EngineError
from trimtab.engine.sketch import Asked, Sketch, Sketches, bucket_of_limit
from trimtab.engine.tile import Change, summed
from trimtab.engine.window import HOP_MS, SHOWN_QUANTILES, ArmWindow, Keep, Windows
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.reading import MAX_OUTCOMES
from trimtab.schemas.segment import MAX_SEGMENTS

LENGTHS_MS = tuple(HOP_MS)
ALL = Keep(lengths_ms=LENGTHS_MS, tumbling_ms=(1_000, 10_000, 60_000), metrics=("rating",))
Steps = list[tuple[int, int, int]]

steps = st.lists(
    st.tuples(st.one_of(st.integers(0, 70), st.integers(0, 4_000)), st.integers(-4_000, 20), st.integers(1, 9)),
    max_size=40,
)
"""(seconds that pass, which second relative to now, responses in it)"""
some_lengths = st.sets(st.sampled_from(LENGTHS_MS), min_size=1).map(lambda lengths: tuple(sorted(lengths)))


def responses(second: int, count: int, errors: int = 0, *, sign: int = 1, bucket: int = 100) -> Change:
    of_pane = content(responses=count, errors=errors, latency={bucket: count}, values={"rating": (count, -count, 7)})
    return (second, sign, of_pane)


def plain(window: ArmWindow) -> tuple[object, ...]:
    return window.counts, window.latency.snapshot(), window.values


def oldest(length_ms: int, now_s: int) -> int:
    hop_s = HOP_MS[length_ms] // 1000
    return (now_s // hop_s + 1) * hop_s - length_ms // 1000


def whole(changes: Sequence[Change], seconds: range) -> tuple[object, ...]:
    """What changes come to in these seconds, summed the plain way."""
    counts, latency, values = np.zeros(len(COUNTS), dtype=np.int64), ArmWindow().latency, [0, 0, 0]
    for second, sign, of_pane in changes:
        if second in seconds:
            counts += sign * of_pane.counts
            latency.add(of_pane.buckets, sign * of_pane.bucket_counts)
            sums = of_pane.values["rating"]
            values = [total + sign * amount for total, amount in zip(values, sums, strict=True)]
    return counts.tolist(), latency.snapshot(), {"rating": tuple(values)} if any(values) else {}


@given(steps, some_lengths)
def test_a_window_is_the_sum_of_the_seconds_in_it(drawn: Steps, lengths_ms: tuple[int, ...]) -> None:
    windows, now_s, seen = Windows(Keep(lengths_ms=lengths_ms, metrics=("rating",))), 10_000, list[Change]()
    for wait_s, offset_s, count in drawn:
        now_s += wait_s
        seen.append(responses(now_s + offset_s, count, bucket=100 + wait_s % 50))
        windows.update(seen[-1:], now_s)
        for length_ms in lengths_ms:
            expected = whole(seen, range(oldest(length_ms, now_s), 1 << 62))
            assert plain(windows.at(length_ms, now_s)) == expected


@given(steps)
def test_a_tumbling_window_is_the_last_one_that_is_over(drawn: Steps) -> None:
    windows, now_s, seen = Windows(ALL), 10_000, list[Change]()
    for wait_s, offset_s, count in drawn:
        now_s += wait_s
        seen.append(responses(now_s + offset_s // 40, count))
        windows.update(seen[-1:], now_s)
        for length_s in (1, 10, 60):
            start_s = (now_s // length_s - 1) * length_s
            tumbled = windows.tumbled(1000 * length_s, now_s)
            assert plain(tumbled) == whole(seen, range(start_s, start_s + length_s))


@pytest.mark.parametrize("length_ms", LENGTHS_MS)
@pytest.mark.parametrize("phase_s", [*range(30), 299, 300])
def test_a_window_reaches_back_its_length_or_a_hop_less(length_ms: int, phase_s: int) -> None:
    now_s = 30_000 + phase_s
    length_s, hop_s = length_ms // 1000, HOP_MS[length_ms] // 1000
    assert length_s - hop_s < now_s + 1 - oldest(length_ms, now_s) <= length_s
    for second, is_in in ((oldest(length_ms, now_s), True), (oldest(length_ms, now_s) - 1, False)):
        windows = Windows(Keep(lengths_ms=(length_ms,)))
        windows.update([responses(second, 1)], now_s)
        assert windows.at(length_ms, now_s).responses == is_in


@given(st.integers(0, 10_000))
def test_a_longer_window_holds_all_that_a_shorter_one_does(now_s: int) -> None:
    for shorter, longer in pairwise(LENGTHS_MS):
        assert HOP_MS[longer] % HOP_MS[shorter] == 0
        assert oldest(longer, now_s) <= oldest(shorter, now_s)


def test_what_lies_ahead_counts_at_once_and_leaves_in_its_own_time() -> None:
    windows = Windows(Keep())
    windows.update([responses(1_030, 1)], 1_000)
    for now_s, counted in ((1_000, 1), (1_039, 1), (1_040, 0)):
        assert windows.at(10_000, now_s).responses == counted


def test_time_never_goes_back() -> None:
    windows = Windows(Keep(lengths_ms=(10_000,)))
    windows.update([responses(1_000, 1)], 1_000)
    windows.advance(1_010)
    windows.advance(1_000)
    windows.update([responses(1_000, 1)], 1_000)
    assert windows.at(10_000, 1_000).responses == 0


def test_what_happened_before_the_windows_began_does_not_belong() -> None:
    windows = Windows(ALL, since_s=1_005)
    windows.update([responses(1_004, 3), responses(1_005, 2)], 1_010)
    assert windows.at(60_000, 1_010).responses == 2
    assert windows.tumbled(10_000, 1_010).responses == 2


@given(steps, steps)
def test_a_snapshot_restores_to_the_same_windows(before: Steps, after: Steps) -> None:
    windows, now_s = Windows(ALL, since_s=9_500), 10_000
    for wait_s, offset_s, count in before:
        now_s += wait_s
        windows.update([responses(now_s + offset_s, count)], now_s)
    restored = Windows.restore(ALL, windows.snapshot(now_s))
    assert restored.snapshot(now_s) == windows.snapshot(now_s)
    for wait_s, offset_s, count in after:
        now_s += wait_s
        for one in (windows, restored):
            one.update([responses(now_s + offset_s, count)], now_s)
        assert restored.snapshot(now_s) == windows.snapshot(now_s)
        for length_ms in LENGTHS_MS:
            assert plain(restored.at(length_ms, now_s)) == plain(windows.at(length_ms, now_s))


def test_an_error_ratio_needs_responses() -> None:
    windows = Windows(Keep())
    assert windows.at(10_000, 1).error_ratio is None
    windows.update([responses(1, 8, errors=2)], 1)
    assert windows.at(10_000, 1).error_ratio == 0.25


@given(steps, st.integers(9_900, 10_100))
def test_changes_that_come_together_make_the_same_windows_as_one_by_one(drawn: Steps, now_s: int) -> None:
    changes = [responses(now_s + offset_s, count, bucket=100 + wait_s % 900) for wait_s, offset_s, count in drawn]
    together, alone = Windows(ALL, since_s=9_500), Windows(ALL, since_s=9_500)
    together.update(changes, now_s)
    alone.advance(now_s)
    for change in changes:
        alone.update([change], now_s)
    assert together.snapshot(now_s) == alone.snapshot(now_s)


def test_what_is_taken_out_again_leaves_nothing() -> None:
    windows = Windows(Keep())
    windows.update([responses(1_000, 5), responses(1_001, 3)], 1_001)
    windows.update([responses(1_000, 5, sign=-1), responses(1_000, 7, bucket=90)], 1_001)
    window = windows.at(10_000, 1_001)
    assert (window.responses, window.latency.count, window.latency.count_above(0.065)) == (10, 10, 3)
    windows.update([responses(1_001, 3, sign=-1), responses(1_000, 7, sign=-1, bucket=90)], 1_001)
    assert windows.snapshot(1_001) == Windows(Keep()).snapshot(1_001)


@given(steps, st.integers(1, 4_000))
def test_what_leaves_a_window_is_told_with_its_length(drawn: Steps, wait_s: int) -> None:
    windows, now_s = Windows(ALL), 10_000
    changes = [responses(now_s + offset_s, count) for _, offset_s, count in drawn]
    windows.update(changes, now_s)
    left = windows.advance(now_s + wait_s)
    for length_ms in LENGTHS_MS:
        gone = whole(changes, range(oldest(length_ms, now_s), oldest(length_ms, now_s + wait_s)))
        tiles = [tile for length, tile, _ in left if length == length_ms and tile]
        counts, latency = summed(tiles) if tiles else (np.zeros(len(COUNTS)), ArmWindow().latency)
        assert (counts.tolist(), latency.snapshot()) == gone[:2]


@given(steps, steps)
def test_a_window_in_all_segments_is_the_sum_of_them(ours: Steps, theirs: Steps) -> None:
    keep = Keep(lengths_ms=LENGTHS_MS, tumbling_ms=(10_000,), metrics=("rating",), segments=("mobile",))
    apart, together = Windows(keep), Windows(keep)
    for segment, drawn in (("", ours), ("mobile", theirs)):
        changes = [responses(10_000 + offset_s, count) for _, offset_s, count in drawn]
        apart.update(changes, 10_000, segment)
        together.update(changes, 10_000)
    for length_ms in LENGTHS_MS:
        assert plain(apart.at(length_ms, 10_000)) == plain(together.at(length_ms, 10_000))
    assert plain(apart.tumbled(10_000, 10_000)) == plain(together.tumbled(10_000, 10_000))


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=3),
    st.floats(0.01, 3.0),
    st.sampled_from([(), (5,), (90, 101, 900)]),
)
def test_a_window_tells_the_same_of_latency_whether_it_stands_alone_or_beside_others(
    counts: list[list[int]], limit_ms: float, above: tuple[int, ...]
) -> None:
    first, asked = 100, Asked(SHOWN_QUANTILES, (*above, bucket_of_limit(limit_ms)) if above else ())
    together = Sketches(first, np.array(counts), asked)
    for row, of_one in enumerate(counts):
        alone = ArmWindow(_latency=Sketch(first, np.array(of_one)))
        beside = ArmWindow(_beside=(together, row))
        assert beside.count_above(limit_ms) == alone.count_above(limit_ms)
        assert [beside.quantile_ms(q) for q in SHOWN_QUANTILES] == [alone.quantile_ms(q) for q in SHOWN_QUANTILES]
        assert beside.latency.snapshot() == alone.latency.snapshot()


def test_a_window_that_is_not_kept_is_an_error() -> None:
    windows = Windows(Keep(lengths_ms=(10_000,)))
    with pytest.raises(EngineError, match=r"sliding window of 60000 ms: expected one of those kept, \[10000\]"):
        windows.at(60_000, 1)
    with pytest.raises(EngineError, match=r"tumbling window of 60000 ms: expected one of those kept, \[\]"):
        windows.tumbled(60_000, 1)


@pytest.mark.parametrize(
    ("keep", "problem"),
    [
        (lambda: Keep(lengths_ms=(20_000,)), "sliding window of 20000 ms: expected one of 10000, 30000, "),
        (lambda: Keep(tumbling_ms=(1_500,)), "tumbling window of 1500 ms: expected whole seconds above 0"),
        (lambda: Keep(tumbling_ms=(0,)), "tumbling window of 0 ms: expected whole seconds above 0"),
        (lambda: Keep(metrics=("m",) * (MAX_OUTCOMES + 1)), "33 metrics: expected at most 32"),
        (lambda: Keep(segments=("s",) * (MAX_SEGMENTS + 1)), "17 segments: expected at most 16"),
    ],
)
def test_what_cannot_be_kept_is_refused(keep: Callable[[], Keep], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        keep()
