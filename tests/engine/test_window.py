"""Sliding windows against sums over the raw seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.window import HOP_MS, Change, Window
from trimtab.schemas.evidence import COUNTS

LENGTHS_MS = tuple(HOP_MS)


def responses(second: int, count: int, errors: int = 0, *, sign: int = 1, bucket: int = 100) -> Change:
    counts = np.zeros(len(COUNTS), dtype="<i8")
    counts[COUNTS.index("responses")], counts[COUNTS.index("errors")] = count, errors
    return (second, sign, counts.tobytes(), np.array([bucket], "<u2").tobytes(), np.array([count], "<u4").tobytes())


steps = st.lists(st.tuples(st.integers(0, 70), st.integers(-90, 20), st.integers(0, 9)), max_size=40)
"""(seconds that pass, which second relative to now, responses in it)"""


@given(steps, st.sampled_from(LENGTHS_MS))
def test_a_window_is_the_sum_of_the_seconds_in_it(drawn: list[tuple[int, int, int]], length_ms: int) -> None:
    window, now_s, seen = Window(length_ms), 1_000, []
    for wait_s, offset_s, count in drawn:
        now_s += wait_s
        window.update([responses(now_s + offset_s, count)], now_s)
        seen.append((now_s + offset_s, count))
        assert window.total.responses == sum(count for second, count in seen if second >= oldest(length_ms, now_s))
        assert window.total.latency.count == window.total.responses


def oldest(length_ms: int, now_s: int) -> int:
    hop_s = HOP_MS[length_ms] // 1000
    return (now_s // hop_s + 1) * hop_s - length_ms // 1000


@pytest.mark.parametrize("length_ms", LENGTHS_MS)
@pytest.mark.parametrize("phase_s", range(30))
def test_a_window_reaches_back_its_length_or_a_hop_less(length_ms: int, phase_s: int) -> None:
    now_s = 3_000 + phase_s
    length_s, hop_s = length_ms // 1000, HOP_MS[length_ms] // 1000
    assert length_s - hop_s < now_s + 1 - oldest(length_ms, now_s) <= length_s
    for second, is_in in ((oldest(length_ms, now_s), True), (oldest(length_ms, now_s) - 1, False)):
        window = Window(length_ms)
        window.update([responses(second, 1)], now_s)
        assert window.total.responses == is_in


def test_what_lies_ahead_counts_at_once_and_leaves_in_its_own_time() -> None:
    window = Window(10_000)
    window.update([responses(1_030, 1)], 1_000)
    for now_s, counted in ((1_000, 1), (1_039, 1), (1_040, 0)):
        window.advance(now_s)
        assert window.total.responses == counted


def test_time_never_goes_back() -> None:
    window = Window(10_000)
    window.update([responses(1_000, 1)], 1_000)
    window.advance(1_010)
    window.advance(1_000)
    window.update([responses(1_000, 1)], 1_000)
    assert window.total.responses == 0


def test_what_happened_before_the_window_began_does_not_belong() -> None:
    window = Window(60_000, since_s=1_005)
    window.update([responses(1_004, 3)], 1_006)
    window.update([responses(1_005, 2)], 1_006)
    assert window.total.responses == 2


@given(steps, steps, st.sampled_from(LENGTHS_MS))
def test_a_snapshot_restores_to_the_same_window(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], length_ms: int
) -> None:
    window, now_s = Window(length_ms, since_s=950), 1_000
    for wait_s, offset_s, count in before:
        now_s += wait_s
        window.update([responses(now_s + offset_s, count)], now_s)
    restored = Window.restore(length_ms, window.snapshot())
    assert restored.snapshot() == window.snapshot()
    for wait_s, offset_s, count in after:
        now_s += wait_s
        for one in (window, restored):
            one.update([responses(now_s + offset_s, count)], now_s)
        assert restored.snapshot() == window.snapshot()
        assert restored.total.latency.snapshot() == window.total.latency.snapshot()


def test_an_error_ratio_needs_responses() -> None:
    window = Window(10_000)
    assert window.total.error_ratio is None
    window.update([responses(1, 8, errors=2)], 1)
    assert window.total.error_ratio == 0.25


@given(steps, st.sampled_from(LENGTHS_MS), st.integers(900, 1_100))
def test_changes_that_come_together_make_the_same_window_as_one_by_one(
    drawn: list[tuple[int, int, int]], length_ms: int, now_s: int
) -> None:
    changes = [responses(now_s + offset_s, count, bucket=100 + wait_s) for wait_s, offset_s, count in drawn]
    together, alone = Window(length_ms, since_s=950), Window(length_ms, since_s=950)
    together.update(changes, now_s)
    alone.advance(now_s)
    for change in changes:
        alone.update([change], now_s)
    assert together.snapshot() == alone.snapshot()
    assert together.total.latency.snapshot() == alone.total.latency.snapshot()


def test_what_is_taken_out_again_leaves_nothing() -> None:
    window = Window(10_000)
    window.update([responses(1_000, 5), responses(1_001, 3)], 1_001)
    window.update([responses(1_000, 5, sign=-1), responses(1_000, 7, bucket=90)], 1_001)
    assert window.total.responses == 10
    assert (window.total.latency.count, window.total.latency.count_above(0.065)) == (10, 3)
