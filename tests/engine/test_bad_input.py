"""Telemetry that makes no sense, in whole or in part: refused exactly, event by event, and never fatal."""

import struct
from typing import TypeVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import NOW_MS, batch, builder, emitted, outcome, request, response, rows
from trimtab.engine.batch import Refusal
from trimtab.schemas.evidence import MAX_VALUE
from trimtab.schemas.telemetry import ColumnBatch, RoutingKey

KEY = RoutingKey("checkout", "canary", "", 0, 0)


def refused(content: ColumnBatch) -> list[Refusal]:
    return builder().update(0, NOW_MS, content)


def counted(content: ColumnBatch) -> int:
    """Events that are in the panes of what a message brought."""
    folding = builder()
    folding.update(0, NOW_MS, content)
    return sum(
        int(row.content.counts[[0, 1, 6]].sum()) + sum(n for n, _, _ in row.content.values.values())
        for records in folding.emit()[0].values()
        for panes in records
        for row in rows(panes).values()
    )


def changed(content: ColumnBatch, **columns: object) -> ColumnBatch:
    """A batch with other columns, whether or not a codec would let it pass."""
    return msgspec.structs.replace(content, **columns)


def doubles(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


TWO = batch(response(), response())
OUTCOMES = batch(outcome(value=1.0), outcome(value=0.5))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), float("-inf"), 1e308, -1e308, MAX_VALUE * (1 + 1e-15), -MAX_VALUE - 1,
        struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf0\x7f")[0],
    ],
)  # fmt: skip
def test_a_value_that_is_not_finite_or_too_large_is_refused_alone(value: float) -> None:
    content = changed(OUTCOMES, value=doubles(value, 0.5))
    assert [(refusal.code, refusal.events) for refusal in refused(content)] == [("bad-value", 1)]
    assert counted(content) == 1


@pytest.mark.parametrize("value", [MAX_VALUE, -MAX_VALUE, 0.0, -0.0, 5e-324])
def test_any_other_value_is_counted(value: float) -> None:
    content = changed(OUTCOMES, value=doubles(value, 0.5))
    assert refused(content) == []
    assert counted(content) == 2


def test_the_value_of_an_event_that_is_no_outcome_does_not_matter() -> None:
    content = changed(TWO, value=doubles(float("nan"), float("inf")), metric=b"\xff\xff")
    assert refused(content) == []
    assert counted(content) == 2


@pytest.mark.parametrize("kind", [3, 7, 255])
def test_an_unknown_kind_is_refused_alone(kind: int) -> None:
    content = changed(TWO, kind=bytes([1, kind]))
    assert [(refusal.code, refusal.events) for refusal in refused(content)] == [("unknown-kind", 1)]
    assert counted(content) == 1


@pytest.mark.parametrize("index", [1, 65_535])
def test_an_index_beyond_the_keys_is_refused_alone(index: int) -> None:
    content = changed(TWO, key=struct.pack("<2H", index, 0))
    assert [(refusal.code, refusal.events) for refusal in refused(content)] == [("unknown-key", 1)]
    assert counted(content) == 1


def test_events_without_any_key_are_refused() -> None:
    content = changed(TWO, keys=[])
    assert [(refusal.code, refusal.events) for refusal in refused(content)] == [("unknown-key", 2)]
    assert counted(content) == 0


@pytest.mark.parametrize("index", [1, 255])
def test_an_index_beyond_the_metrics_is_refused_alone(index: int) -> None:
    content = changed(OUTCOMES, metric=bytes([0, index]))
    assert [(refusal.code, refusal.events) for refusal in refused(content)] == [("unknown-key", 1)]
    assert counted(content) == 1


BAD_NAMES = ("", "A", "a_b", "-a", "a-", "a" * 64, "a\n", "\u00e4", "a b", "a\0", "{a}", "../a")


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("field", ["release", "variant", "segment"])
def test_events_of_what_cannot_be_a_name_are_refused(field: str, name: str) -> None:
    if (field, name) == ("segment", ""):
        return
    wrong = msgspec.structs.replace(KEY, **{field: name})
    content = changed(TWO, keys=[KEY, wrong], key=struct.pack("<2H", 0, 1))
    (refusal,) = refused(content)
    assert (refusal.code, refusal.events) == ("unknown-release", 1)
    assert len(refusal.reason) < 400
    assert counted(content) == 1


def test_a_key_that_no_event_uses_is_not_refused() -> None:
    assert refused(changed(TWO, keys=[KEY, msgspec.structs.replace(KEY, release="A")])) == []


def test_an_event_that_is_wrong_in_several_ways_is_refused_once() -> None:
    content = changed(
        OUTCOMES, kind=bytes([9, 2]), key=struct.pack("<2H", 9, 9), value=doubles(float("nan"), float("nan"))
    )
    assert sum(refusal.events for refusal in refused(content)) == 2
    assert counted(content) == 0


@pytest.mark.parametrize("base_ms", [2**63 - 1, 2**63, 2**64 - 1])
def test_an_instant_beyond_all_clocks_is_in_the_future(base_ms: int) -> None:
    content = changed(TWO, base_ms=base_ms)
    assert [(refusal.code, refusal.events) for refusal in refused(content)] == [("future", 2)]


@pytest.mark.parametrize("base_ms", [0, -1, -(2**63)])
def test_an_instant_before_all_clocks_is_late(base_ms: int) -> None:
    content = changed(TWO, base_ms=base_ms)
    assert refused(content) == []
    assert counted(content) == 2


@pytest.mark.parametrize("sent_ms", [1, -1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)])
def test_a_publisher_with_an_absurd_clock_harms_only_its_own_events(sent_ms: int) -> None:
    content = changed(TWO, sent_ms=sent_ms)
    assert sum(refusal.events for refusal in refused(content)) + counted(content) == 2


def test_reasons_say_what_was_expected() -> None:
    content = changed(OUTCOMES, kind=bytes([5, 2]), value=doubles(1, float("nan")))
    assert refused(content) == [
        Refusal("unknown-kind", "kind of event: expected 0, 1 or 2", 1),
        Refusal("bad-value", "value: expected a finite number within 1048576", 1),
    ]


Cell = TypeVar("Cell")


def four(cells: st.SearchStrategy[Cell]) -> st.SearchStrategy[list[Cell]]:
    return st.lists(cells, min_size=4, max_size=4)


names = st.sampled_from(("checkout", "", "A", "x"))
instants = st.one_of(st.just(NOW_MS), st.just(0), st.integers(-(2**63), 2**64 - 1))
columns = st.fixed_dictionaries(
    {
        "kind": four(st.sampled_from((0, 1, 2, 3, 255))).map(bytes),
        "key": four(st.sampled_from((0, 1, 2, 500))).map(lambda at: struct.pack("<4H", *at)),
        "metric": four(st.sampled_from((0, 1, 2, 255))).map(bytes),
        "value": four(st.floats()).map(lambda values: doubles(*values)),
        "time": four(st.integers(-(2**31), 2**31 - 1)).map(lambda at: struct.pack("<4i", *at)),
        "status": st.binary(min_size=8, max_size=8),
        "failure": st.binary(min_size=4, max_size=4),
        "duration_us": st.binary(min_size=16, max_size=16),
        "size": st.just(b""),
        "base_ms": instants,
        "sent_ms": instants,
        "keys": st.lists(st.builds(RoutingKey, names, names, names, st.just(0), st.just(0))),
        "metrics": st.lists(st.sampled_from(("converted", "", "a" * 300, "\0")), max_size=3),
    }
)


@settings(max_examples=200)
@given(columns)
def test_whatever_the_cells_hold_each_event_is_counted_or_refused(drawn: dict[str, object]) -> None:
    content = changed(batch(*[request()] * 4), **drawn)
    refusals = refused(content)
    assert all(refusal.events > 0 for refusal in refusals)
    assert sum(refusal.events for refusal in refusals) + counted(content) == 4


def test_the_longest_durations_and_the_largest_bodies_add_up_exactly() -> None:
    content = changed(
        batch(*[response()] * 500),
        duration_us=np.full(500, 2**32 - 1, dtype="<u4").tobytes(),
        size=np.full(500, 2**32 - 1, dtype="<u4").tobytes(),
    )
    folding = builder()
    for offset in range(20):
        folding.update(offset, NOW_MS, content)
    (row,) = rows(emitted(folding)).values()
    assert row.content.counts[4] == row.content.counts[5] == 10_000 * (2**32 - 1)


def test_sums_of_squares_are_cut_where_they_would_not_fit() -> None:
    folding = builder()
    for offset in range(20):
        folding.update(offset, NOW_MS, batch(*[outcome(value=MAX_VALUE)] * 500))
    (row,) = rows(emitted(folding)).values()
    assert row.content.values == {"converted": (10_000, 10_000 << 40, 2**63 - 1)}
