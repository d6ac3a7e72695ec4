"""The latency sketch against NumPy's quantiles, brute-force counts and exact edges."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.builders import sketch_of
from trimtab.engine.sketch import BUCKETS, EDGES_US, Sketch, buckets_of

LONGEST_US = 2**32 - 1
QUANTILES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
durations = st.lists(st.one_of(st.integers(0, 2_000), st.integers(0, LONGEST_US)), max_size=60)


def quantile_us(durations_us: Sequence[int] | npt.NDArray[np.int64], q: float) -> float:
    """The value of rank q (n - 1) + 1, the next higher where that is no whole number."""
    return float(np.quantile(np.array(durations_us, dtype=np.float64), q, method="higher"))


def test_edges_are_powers_of_g_in_exact_arithmetic() -> None:
    exact = [10 * 101**i // 99**i for i in range(BUCKETS - 1)]
    assert EDGES_US.tolist() == [*exact, LONGEST_US]
    assert 10 * 101 ** (BUCKETS - 2) < LONGEST_US * 99 ** (BUCKETS - 2)
    assert 10 * 101 ** (BUCKETS - 1) >= LONGEST_US * 99 ** (BUCKETS - 1)


def test_a_duration_lies_in_the_bucket_whose_edges_enclose_it() -> None:
    edges = np.unique(EDGES_US)
    for durations_us in (edges, edges[:-1] + 1, edges - 1):
        buckets = buckets_of(durations_us.astype(np.uint32))
        assert (durations_us <= EDGES_US[buckets]).all()
        assert (durations_us[buckets > 0] > EDGES_US[buckets[buckets > 0] - 1]).all()


@pytest.mark.parametrize("shape", ["lognormal", "bimodal", "constant", "heavy", "uniform"])
def test_quantiles_are_within_one_percent(shape: str) -> None:
    rng = np.random.default_rng(3)
    milliseconds = {
        "lognormal": rng.lognormal(3, 0.8, 20_000),
        "bimodal": np.concatenate([rng.normal(20, 2, 9_000), rng.normal(2_000, 100, 1_000)]),
        "constant": np.full(1_000, 17.3),
        "heavy": rng.pareto(1.1, 20_000) + 0.1,
        "uniform": rng.uniform(0.1, 500, 5_000),
    }[shape]
    durations_us = np.clip(milliseconds * 1000, 100, LONGEST_US).astype(np.int64)
    sketch = sketch_of(durations_us)
    for q in QUANTILES:
        assert sketch.quantile_ms(q) == pytest.approx(quantile_us(durations_us, q) / 1000, rel=0.01 + 1e-9)


@given(durations.filter(bool), st.sampled_from(QUANTILES))
def test_any_quantile_above_ten_microseconds_is_within_one_percent(durations_us: list[int], q: float) -> None:
    estimate = sketch_of(durations_us).quantile_ms(q)
    exact_us = quantile_us(durations_us, q)
    if exact_us > 10:
        assert estimate == pytest.approx(exact_us / 1000, rel=0.01 + 1e-9)
    else:
        assert estimate == pytest.approx(0.0099)


@given(durations, durations)
def test_durations_are_counted_as_their_buckets_are(first: list[int], second: list[int]) -> None:
    sketch = Sketch()
    for part in (first, second):
        sketch.update(np.array(part, dtype=np.uint32))
    assert sketch.snapshot() == sketch_of(first + second).snapshot()


@given(durations, durations)
def test_merging_is_the_same_as_adding_all_to_one(first: list[int], second: list[int]) -> None:
    merged = sketch_of(first)
    merged.merge(sketch_of(second))
    assert merged.snapshot() == sketch_of(first + second).snapshot()
    assert merged.count == len(first) + len(second)


@given(durations, durations)
def test_subtracting_takes_out_exactly_what_was_merged(first: list[int], second: list[int]) -> None:
    sketch = sketch_of(first)
    sketch.merge(sketch_of(second))
    sketch.subtract(sketch_of(second))
    assert sketch.snapshot() == sketch_of(first).snapshot()
    assert [sketch.quantile_ms(q) for q in QUANTILES] == [sketch_of(first).quantile_ms(q) for q in QUANTILES]


@given(durations, st.floats(0.001, 5_000_000))
def test_durations_above_a_limit_are_counted_to_within_its_bucket(durations_us: list[int], limit_ms: float) -> None:
    counted = sketch_of(durations_us).count_above(limit_ms)
    surely_above = sum(duration > max(10, limit_ms * 1000 * 101 / 99) for duration in durations_us)
    assert surely_above <= counted <= sum(duration > limit_ms * 1000 for duration in durations_us)


@given(durations, st.integers(0, BUCKETS - 1))
def test_a_limit_on_an_edge_is_counted_exactly(durations_us: list[int], bucket: int) -> None:
    edge_us = int(EDGES_US[bucket])
    counted = sketch_of(durations_us).count_above(edge_us / 1000)
    assert counted == sum(duration > edge_us for duration in durations_us)


@given(durations)
def test_a_snapshot_restores_to_the_same_sketch(durations_us: list[int]) -> None:
    sketch = sketch_of(durations_us)
    restored = Sketch.restore(sketch.snapshot())
    assert restored.snapshot() == sketch.snapshot()
    assert [restored.quantile_ms(q) for q in QUANTILES] == [sketch.quantile_ms(q) for q in QUANTILES]
    restored.merge(sketch_of([5, 5_000_000]))
    sketch.merge(sketch_of([5, 5_000_000]))
    assert restored.snapshot() == sketch.snapshot()


def test_a_snapshot_is_as_long_as_the_range_that_occurred() -> None:
    sketch = sketch_of([1_000, 1_000_000])
    sketch.subtract(sketch_of([1_000_000]))
    first, _, counts = sketch.snapshot()
    assert (first, len(counts)) == (int(buckets_of(np.array([1_000], dtype=np.uint32))[0]), 1)


def test_an_empty_sketch_has_no_quantile_and_nothing_above() -> None:
    emptied = sketch_of([1_000])
    emptied.subtract(sketch_of([1_000]))
    for sketch in (Sketch(), emptied, Sketch.restore((0, "<u1", b""))):
        assert (sketch.count, sketch.quantile_ms(0.5), sketch.count_above(0.0)) == (0, None, 0)
        assert sketch.snapshot() == (0, "<u1", b"")


def test_adding_nothing_changes_nothing() -> None:
    sketch = sketch_of([1_000])
    sketch.add(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    sketch.merge(Sketch())
    sketch.subtract(Sketch())
    assert sketch.count == 1
