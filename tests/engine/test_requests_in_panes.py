"""What panes tell of requests: cohorts of outcomes, repetitions, and the revisions that routed."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import NOW_MS, NOW_S, batch, builder, emitted, rows
from engine.reference import Message
from engine.request_logs import SHORT, coarse_age, joined, request_logs
from trimtab.engine import batch as batches
from trimtab.engine.block import MAX_ROUTES
from trimtab.engine.cohort import OLDEST_S, coarse
from trimtab.engine.contribution import PaneContent, PaneRow, rows_of
from trimtab.engine.evidence import REMEMBER_S
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.engine.repeat import NOTHING, Repeats
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import CohortColumns, Panes, RepeatColumns, RoutedColumns, decode, encode
from trimtab.schemas.telemetry import MAX_AGE_MS, ColumnBatch, Outcome, Request

Whole = dict[tuple[str, str, int], PaneRow]


def told(requests: PaneContent) -> tuple[object, object, object]:
    cohorts = {(metric, age): list(sums) for metric, age, *sums in requests.cohorts}
    repeats = {(metric, age): list(sums) for metric, age, sums in requests.repeats}
    return cohorts, repeats, {(era, revision): n for era, revision, n in requests.routed}


def taken(panes: Iterable[Panes], into: Whole) -> None:
    """Takes panes by the rule of merging, but for seconds that whoever merges passes over."""
    for record in panes:
        for row in rows_of(decode_panes(record)):
            into[row.key.variant, row.key.segment, row.second] = row


def decode_panes(record: Panes) -> Panes:
    read = decode(encode(record))
    assert isinstance(read, Panes)
    return read


def messages_of(log: Sequence[Message]) -> list[batches.Message]:
    return [batches.Message(offset, message.append_ms, message.batch()) for offset, message in enumerate(log)]


@settings(max_examples=150)
@given(request_logs())
def test_panes_tell_what_joining_event_by_event_gives(log: list[Message]) -> None:
    folding = builder(spec=SHORT)
    assert folding.update_all(messages_of(log)) == {}
    panes: Whole = {}
    taken(folding.emit()[0].get(0, ()), panes)
    expected = joined(log, SHORT)
    for key, cells in expected.items():
        assert told(panes[key].content) == (cells.cohorts, cells.repeats, cells.routed)
    assert all(told(row.content) == ({}, {}, {}) for key, row in panes.items() if key not in expected)


@settings(max_examples=80)
@given(request_logs())
def test_how_messages_are_read_together_does_not_matter(log: list[Message]) -> None:
    together, apart = builder(spec=SHORT), builder(spec=SHORT)
    together.update_all(messages_of(log))
    for message in messages_of(log):
        apart.update(*message)
    (ours, our_mark), (theirs, their_mark) = together.emit(), apart.emit()
    assert our_mark == their_mark
    assert [rows(panes) for panes in ours.get(0, ())] == [rows(panes) for panes in theirs.get(0, ())]


@settings(max_examples=150)
@given(request_logs(), st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_a_builder_that_starts_at_a_commit_tells_the_same_of_whatever_counts(
    log: list[Message], pattern: list[int]
) -> None:
    log = [*log, Message(log[-1].append_ms + 1_700, ()), Message(log[-1].append_ms + 9_000, ())]
    first, whole, final_s = PaneBuilder(0, SHORT, lambda _: 0), dict[tuple[str, str, int], PaneRow](), 0
    for offset, message in enumerate(log):
        first.update(offset, message.append_ms, message.batch())
        if pattern[offset % len(pattern)] == 0:
            continue
        panes, mark = first.emit()
        taken(panes.get(0, ()), whole)
        if pattern[offset % len(pattern)] > 1:
            first.acknowledge(mark)
            final_s = mark.final_s
        if pattern[offset % len(pattern)] == 5:
            check_restart(log[: offset + 1], first.commit_offset or 0, final_s)


def check_restart(log: Sequence[Message], commit: int, final_s: int) -> None:
    """Whoever starts at `commit` gives the same contents of seconds that are still looked at as one that read all."""
    results = []
    for start in (0, commit):
        folding, panes = PaneBuilder(0, SHORT, lambda _: 0), dict[tuple[str, str, int], PaneRow]()
        for offset, message in enumerate(log):
            if offset >= start:
                folding.update(offset, message.append_ms, message.batch())
        taken(folding.emit()[0].get(0, ()), panes)
        results.append(panes)
    everything, again = results
    for key, row in everything.items():
        if key[2] >= final_s:
            assert again[key] == row
        elif key[2] >= final_s - REMEMBER_S and key in again and again[key].first_offset == row.first_offset:
            assert again[key].content == row.content


def test_a_message_with_requests_holds_the_commit_for_as_long_as_it_may_be_repeated() -> None:
    folding = builder(spec=FoldSpec(repeats_ms=10_000))
    folding.update(0, NOW_MS, batch(late(request=7)))
    for second in range(1, 30):
        folding.update(second, NOW_MS + second * 1000, batch())
        folding.acknowledge(folding.emit()[1])
        assert (folding.commit_offset == 0) == (second <= 16)


def test_an_outcome_without_a_request_holds_nothing() -> None:
    folding = builder()
    folding.update(0, NOW_MS, batch(late(request=0)))
    folding.update(1, NOW_MS + 4_000, batch())
    folding.acknowledge(folding.emit()[1])
    assert folding.commit_offset == 1


def late(age_s: int = 60, *, request: int = 0, value: float = 1.0, time_ms: int = NOW_MS) -> Outcome:
    return Outcome(
        release="checkout", variant="canary", time_ms=time_ms, metric="rating", value=value,
        started_ms=time_ms - age_s * 1000, request=request,
    )  # fmt: skip


def test_an_age_is_off_by_a_sixteenth_at_most_and_never_falls() -> None:
    ages = range(9_000)
    taken_for = coarse(np.array(ages)).tolist()
    assert taken_for == [coarse_age(age) for age in ages]
    assert taken_for == sorted(taken_for)
    assert all(abs(min(age, OLDEST_S) - taken) * 16 <= age for age, taken in zip(ages, taken_for, strict=True))


def test_a_pane_has_few_ages_however_long_outcomes_take() -> None:
    folding = builder()
    folding.update(0, NOW_MS, batch(*(late(age_s) for age_s in range(1, 100_000, 250)), *map(late, range(1, 5_000))))
    ((row,),) = [list(rows_of(emitted(folding)))]
    assert len(row.content.cohorts) <= 81
    assert sum(n for _, _, n, *_ in row.content.cohorts) == row.content.values["rating"][0]


def test_an_outcome_a_moment_before_its_request_counts_as_of_the_same() -> None:
    folding = builder()
    event = Outcome(
        release="checkout", variant="canary", time_ms=NOW_MS, metric="r", value=1.0, started_ms=NOW_MS + 900
    )
    assert folding.update(0, NOW_MS, batch(event)) == []
    assert rows(emitted(folding))["checkout", "canary", "", NOW_S].content.cohorts == ()


@pytest.mark.parametrize("started_ms", [NOW_MS + 1_001, NOW_MS - MAX_AGE_MS - 1, 1, NOW_MS + MAX_AGE_MS * 9])
def test_a_start_after_the_outcome_or_absurdly_old_is_refused_and_nothing_else(started_ms: int) -> None:
    folding = builder()
    bad = Outcome(
        release="checkout", variant="canary", time_ms=NOW_MS, metric="r", value=1.0, started_ms=started_ms, request=3
    )
    (refusal,) = folding.update(0, NOW_MS, batch(bad, late()))
    assert (refusal.code, refusal.events) == ("bad-value", 1)
    assert "started: expected -1000 to 604800000 ms before time" in refusal.reason
    assert rows(emitted(folding))["checkout", "canary", "", NOW_S].content.values["rating"][0] == 1


def test_more_revisions_than_a_pane_tells_apart_are_unknown() -> None:
    folding = builder()
    requests = [
        Request(release="checkout", variant="canary", time_ms=NOW_MS, era=1, revision=revision + 1)
        for revision in range(MAX_ROUTES + 5)
    ]
    folding.update(0, NOW_MS, batch(*requests, *requests[:2]))
    routed = rows(emitted(folding))["checkout", "canary", "", NOW_S].content.routed
    assert routed == ((1, 1, 2), (1, 2, 2), *((1, revision, 1) for revision in range(3, MAX_ROUTES + 1)))


def test_traffic_without_any_of_it_has_no_columns_of_it() -> None:
    folding = builder()
    folding.update(0, NOW_MS, batch(Request(release="checkout", variant="canary", time_ms=NOW_MS), late(age_s=0)))
    record = emitted(folding)
    assert (record.cohorts, record.repeats, record.routed) == (None, None, None)
    assert (record.shares, record.share_repeats) == (None, None)


def test_outcomes_beyond_those_that_are_remembered_are_told() -> None:
    repeats = Repeats(horizon_s=30, most_per_second=2)
    keys = [(number, "rating", "checkout", "canary") for number in range(1, 5)]
    assert [repeats.take(key, 100, 1.0).of_all[-1] for key in keys] == [0, 0, 1, 1]
    assert repeats.take(keys[2], 101, 2.0) == NOTHING, "what was not remembered is not known again"
    assert repeats.take(keys[0], 101, 2.0).of_all[0] == 1
    assert len(repeats) == 4


def test_what_nothing_can_repeat_is_forgotten() -> None:
    repeats = Repeats(horizon_s=30, most_per_second=2)
    key = (1, "rating", "checkout", "canary")
    repeats.take(key, 100, 1.0)
    repeats.take(key, 110, 1.0)
    repeats.forget(131)
    assert len(repeats) == 1
    repeats.forget(141)
    assert (len(repeats), repeats.take(key, 141, 1.0)) == (0, NOTHING)


_ROW, _ONE, _LINE = b"\0\0", b"\1\0", b"\1" * 24


@pytest.mark.parametrize(
    "columns",
    [
        {"cohorts": CohortColumns(_ONE, _ROW, _ROW, _LINE)},
        {"cohorts": CohortColumns(_ROW, _ONE, _ROW, _LINE)},
        {"cohorts": CohortColumns(_ROW, _ROW, b"", _LINE)},
        {"cohorts": CohortColumns(_ROW, _ROW, b"\0", _LINE)},
        {"cohorts": CohortColumns(_ROW, _ROW, _ROW, _LINE[1:])},
        {"repeats": RepeatColumns(_ROW, _ROW, _ROW, _LINE)},
        {"shares": CohortColumns(_ROW, _ONE, _ROW, _LINE)},
        {"share_repeats": RepeatColumns(_ROW, _ROW, _ROW, _LINE)},
        {"routed": RoutedColumns([(1, 2)], _ONE, _ROW, b"\1\0\0\0")},
        {"routed": RoutedColumns([(1, 2)], _ROW, _ONE, b"\1\0\0\0")},
        {"routed": RoutedColumns([(1, 2)], _ROW, _ROW, b"\1\0\0")},
    ],
    ids=repr,
)
def test_columns_that_do_not_fit_together_are_refused(columns: dict[str, object]) -> None:
    folding = builder()
    folding.update(0, NOW_MS, batch(late(age_s=0)))
    with pytest.raises(InvalidRecord, match="panes: "):
        list(rows_of(msgspec.structs.replace(emitted(folding), **columns)))


def test_a_number_of_a_request_may_take_all_64_bits_in_columns() -> None:
    packed: ColumnBatch = batch(late(request=1), late(request=1))
    folding = builder()
    folding.update(0, NOW_MS, msgspec.structs.replace(packed, request=b"\xff" * 16))
    ((_, _, sums),) = rows(emitted(folding))["checkout", "canary", "", NOW_S].content.repeats
    assert sums[0] == 1
