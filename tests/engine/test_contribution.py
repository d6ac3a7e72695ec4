"""Contributions on the wire: what is packed comes out again, and what does not fit together is not taken."""

import struct

import msgspec
import pytest
from hypothesis import given, settings

from engine.builders import NO_EVENTS, NOW_MS, batch, builder, emitted, fed, outcome, release, request, response, spec
from engine.evidence_rig import EvidenceRig, decision
from engine.logs import steady_logs
from engine.reference import Message
from trimtab.engine.contribution import rows_of
from trimtab.engine.ledger import Ledger
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import ALWAYS, COUNTS, Panes, decode, encode

TWO = emitted(fed([(NOW_MS, batch(response("stable"), response("canary"), outcome(value=1.0)))]))


@settings(max_examples=40)
@given(steady_logs())
def test_a_contribution_is_the_same_after_the_wire(log: list[Message]) -> None:
    panes = fed((message.append_ms, message.batch()) for message in log).emit()[0].get(0, [None])[0]
    if panes is None:
        return
    for sent, came in zip(rows_of(panes), rows_of(decode_panes(encode(panes))), strict=True):
        assert (sent.key, sent.second, sent.first_offset) == (came.key, came.second, came.first_offset)
        assert sent.content.counts.tolist() == came.content.counts.tolist()
        assert sent.content.buckets.tolist() == came.content.buckets.tolist()
        assert sent.content.bucket_counts.tolist() == came.content.bucket_counts.tolist()
        assert sent.content.values == came.content.values


def decode_panes(payload: bytes) -> Panes:
    record = decode(payload)
    assert isinstance(record, Panes)
    return record


@pytest.mark.parametrize(
    "column",
    [
        "key", "second", "counts", "first_offset", "sketch_row", "sketch_bucket", "sketch_count", "value_row",
        "value_metric", "value_sums",
    ],
)  # fmt: skip
@pytest.mark.parametrize("change", ["shorter", "longer", "odd", "empty"])
def test_columns_of_different_lengths_are_not_read(column: str, change: str) -> None:
    cells = getattr(TWO, column)
    wrong = {"shorter": cells[: len(cells) // 2], "longer": cells * 2, "odd": cells + b"\0", "empty": b""}[change]
    with pytest.raises(InvalidRecord, match="bytes, expected"):
        list(rows_of(msgspec.structs.replace(TWO, **{column: wrong})))


@pytest.mark.parametrize("column", ["key", "sketch_row", "sketch_bucket", "value_row", "value_metric"])
def test_indexes_that_point_to_nothing_are_not_followed(column: str) -> None:
    count = len(getattr(TWO, column)) // 2
    wrong = msgspec.structs.replace(TWO, **{column: struct.pack(f"<{count}H", *[2_000] * count)})
    with pytest.raises(InvalidRecord, match=f"column {column}: expected indexes below"):
        list(rows_of(wrong))


@pytest.mark.parametrize("rows", [-1, 0, 1, 3, 2**40])
def test_a_wrong_number_of_rows_is_not_believed(rows: int) -> None:
    with pytest.raises(InvalidRecord):
        list(rows_of(msgspec.structs.replace(TWO, rows=rows)))


def test_a_ledger_rejects_a_contribution_that_it_cannot_read_and_goes_on() -> None:
    running = EvidenceRig()
    running.apply(release())
    effects = running.append(msgspec.structs.replace(TWO, counts=TWO.counts[:-8]))
    assert effects.rejected == "source 0: panes: column counts: 120 bytes, expected 128"
    assert decision(running.command("pause")).seen.counted == 0
    running.append(TWO)
    assert decision(running.command("pause")).seen.counted == 3


def test_a_second_of_very_many_panes_goes_out_in_records_that_a_broker_takes() -> None:
    folding = builder()
    for offset in range(4):
        events = [request(of=f"r{offset}-{key % 3_000}", variant=f"v{key // 3_000}") for key in range(9_000)]
        folding.update(offset, NOW_MS, batch(*events))
    folding.update(4, NOW_MS + 3_000, NO_EVENTS)
    records = folding.emit()[0][0]
    assert sum(record.rows for record in records) == 36_000
    assert max(len(encode(record)) for record in records) < 1_000_000
    assert [record.more for record in records] == [True] * (len(records) - 1) + [False]
    releases = [{row.key.release for row in rows_of(record)} for record in records]
    assert sum(map(len, releases)) == len(set().union(*releases)) == 12_000


def test_a_release_of_very_many_panes_is_in_several_records() -> None:
    folding = builder()
    folding.update(0, NOW_MS + 1_000, batch(*[request(f"v{key}", NOW_MS) for key in range(9_000)]))
    records = folding.emit()[0][0]
    assert len(records) > 1
    assert len({row.key.variant for record in records for row in rows_of(record)}) == 9_000


def test_panes_are_refused_once_when_an_emission_of_several_records_makes_them_final() -> None:
    folding = builder()
    folding.update(0, NOW_MS, batch(*[request(of=f"r{key}") for key in range(9_000)]))
    folding.update(1, NOW_MS + 3_000, NO_EVENTS)
    records = folding.emit()[0][0]
    assert len(records) > 1
    ledger = Ledger()
    refused = [ledger.advance(offset, NOW_MS, record).refused for offset, record in enumerate(records)]
    assert sum(map(len, refused)) == 9_000
    again = [ledger.advance(len(records) + offset, NOW_MS, record).refused for offset, record in enumerate(records)]
    assert again == [[]] * len(records)


def test_an_empty_contribution_changes_nothing() -> None:
    ledger = Ledger()
    ledger.advance(0, NOW_MS, spec(release()))
    empty = msgspec.structs.replace(
        TWO, rows=0, keys=[], metrics=[], key=b"", second=b"", counts=b"", first_offset=b"", sketch_row=b"",
        sketch_bucket=b"", sketch_count=b"", value_row=b"", value_metric=b"", value_sums=b"",
    )  # fmt: skip
    effects = ledger.advance(1, NOW_MS, empty)
    assert (effects.published, effects.refused, effects.rejected) == ([], [], "")


def test_a_record_of_a_builder_that_does_not_tell_failures_counts_none() -> None:
    panes = emitted(fed([(NOW_MS, batch(response(failure=1), response()))]))
    (told,), (untold,) = (list(rows_of(one)) for one in (panes, msgspec.structs.replace(panes, failures=b"")))
    assert told.content.counts[COUNTS.index("timeouts")] == 1
    assert untold.content.counts.tolist() == [*told.content.counts[: len(ALWAYS)].tolist(), 0, 0, 0, 0]


def test_a_pane_without_failures_is_the_same_content_whatever_it_came_with() -> None:
    alone = emitted(fed([(NOW_MS, batch(response()))]))
    beside = emitted(fed([(NOW_MS, batch(response(), response("stable", failure=2)))]))
    assert alone.failures == b""
    (one,), (other, failed) = list(rows_of(alone)), list(rows_of(beside))
    assert one.content == other.content
    assert failed.content.counts[COUNTS.index("connects")] == 1


def test_a_column_of_failures_that_does_not_fit_is_refused() -> None:
    panes = msgspec.structs.replace(emitted(fed([(NOW_MS, batch(response()))])), failures=b"\0")
    with pytest.raises(InvalidRecord, match="column failures: 1 bytes, expected 32"):
        list(rows_of(panes))
