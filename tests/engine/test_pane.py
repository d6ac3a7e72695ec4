"""The pane builder against the reference fold, and each of its rules at its boundary."""

from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import (
    NO_EVENTS,
    NOW_MS,
    NOW_S,
    batch,
    builder,
    emitted,
    fed,
    outcome,
    request,
    response,
    rows,
    sketch_of,
)  # fmt: skip
from engine.logs import logs
from engine.reference import Message, fold
from trimtab.engine.batch import Message as Fed
from trimtab.engine.contribution import MAX_BYTES, PaneContent
from trimtab.engine.pane import MANY_PANES, FoldSpec, PaneBuilder
from trimtab.engine.sketch import Sketch
from trimtab.schemas.evidence import COUNTS, Panes
from trimtab.schemas.telemetry import ColumnBatch, Failure


def count(content: PaneContent, name: str) -> int:
    return int(content.counts[COUNTS.index(name)])


def only(panes: Panes) -> PaneContent:
    (row,) = rows(panes).values()
    return row.content


@settings(max_examples=150)
@given(logs())
def test_what_is_emitted_in_the_end_is_what_the_reference_makes_of_the_log(log: list[Message]) -> None:
    folding = builder()
    for offset, message in enumerate(log):
        folding.update(offset, message.append_ms, message.batch())
    panes = folding.emit()[0].get(0, [])
    content = {key: row.content for record in panes for key, row in rows(record).items()}
    expected = fold(log, FoldSpec()).panes
    assert content.keys() == {(*key, second) for key, second in expected}
    for (key, second), wanted in expected.items():
        got = content[(*key, second)]
        assert got.counts.tolist() == wanted.counts
        assert got.values == wanted.sums
        sketch = Sketch()
        sketch.add(got.buckets, got.bucket_counts)
        assert sketch.snapshot() == sketch_of(wanted.durations_us).snapshot()


@settings(max_examples=150)
@given(logs(), st.lists(st.integers(1, 8), min_size=1, max_size=5))
def test_messages_read_together_come_to_the_same_as_one_after_another(log: list[Message], groups: list[int]) -> None:
    messages = [Fed(offset, message.append_ms, message.batch()) for offset, message in enumerate(log)]
    single, together = builder(), builder()
    refused = {message.offset: single.update(*message) for message in messages}
    start, several = 0, {}
    for size in cycle(groups):
        several.update(together.update_all(messages[start : start + size]))
        start += size
        if start >= len(messages):
            break
    assert several == {offset: refusals for offset, refusals in refused.items() if refusals}
    assert contents(together) == contents(single)
    assert together.commit_offset == single.commit_offset


def contents(of: PaneBuilder) -> object:
    """What a builder emits, whichever order its panes are in; then what it emits when all of it is final."""
    emissions = []
    for clock_ms in (of.clock_ms, of.clock_ms + 120_000):
        of.update(of.next_offset, clock_ms, NO_EVENTS)
        records, mark = of.emit()
        of.acknowledge(mark)
        emissions.append(sorted(repr(row) for record in records.get(0, []) for row in rows(record).items()))
    return emissions, of.commit_offset


@pytest.mark.parametrize(
    ("status", "failure", "errors", "client_errors"),
    [
        (200, Failure.NONE, 0, 0),
        (399, Failure.NONE, 0, 0),
        (400, Failure.NONE, 0, 1),
        (499, Failure.NONE, 0, 1),
        (500, Failure.NONE, 1, 0),
        (599, Failure.NONE, 1, 0),
        (0, Failure.TIMEOUT, 1, 0),
        (200, Failure.RESET, 1, 0),
        (404, Failure.CONNECT, 1, 0),
        (0, Failure.CLIENT, 0, 0),
        (503, Failure.CLIENT, 1, 0),
        (200, 77, 1, 0),
    ],
)
def test_errors_are_statuses_from_500_on_and_failures_that_are_not_the_clients(
    status: int, failure: int, errors: int, client_errors: int
) -> None:
    content = only(emitted(fed([(NOW_MS, batch(response(status=status, failure=failure)))])))
    assert [count(content, name) for name in ("responses", "errors", "client_errors")] == [1, errors, client_errors]


@pytest.mark.parametrize(("clock_ms", "is_late"), [(2_999, False), (3_000, True)])
def test_a_second_is_final_once_the_clock_is_past_its_end_by_the_lateness(clock_ms: int, *, is_late: bool) -> None:
    panes = emitted(fed([(NOW_MS + clock_ms, batch(response(time_ms=NOW_MS + 999)))]))
    (row,) = rows(panes).values()
    assert (row.second, count(row.content, "late"), count(row.content, "responses")) == (
        (NOW_S + 3, 1, 0) if is_late else (NOW_S, 0, 1)
    )


def test_a_message_that_the_broker_appended_with_an_older_clock_is_judged_by_the_newest() -> None:
    panes = emitted(fed([(NOW_MS + 5_000, NO_EVENTS), (NOW_MS, batch(response(time_ms=NOW_MS)))]))
    assert count(only(panes), "late") == 1


@pytest.mark.parametrize(
    ("skew_ms", "corrected_ms"),
    [(1_000, 0), (1_001, 1_001), (-1_000, 0), (-1_001, -1_001), (600_000, 600_000), (-600_000, -600_000)],
)
def test_times_are_corrected_by_a_skew_beyond_a_second(skew_ms: int, corrected_ms: int) -> None:
    stamped_ms = NOW_MS - corrected_ms
    panes = emitted(fed([(NOW_MS, batch(response(time_ms=stamped_ms), sent_ms=NOW_MS - skew_ms))]))
    (row,) = rows(panes).values()
    assert (row.second, count(row.content, "skewed")) == (NOW_S, int(corrected_ms != 0))


def test_a_publisher_that_does_not_say_when_it_sent_is_not_corrected() -> None:
    panes = emitted(fed([(NOW_MS, batch(response(time_ms=NOW_MS + 30_000), sent_ms=0))]))
    assert [row.second for row in rows(panes).values()] == [NOW_S + 30]


@pytest.mark.parametrize(("ahead_ms", "refused"), [(60_000, 0), (60_001, 1)])
def test_an_event_more_than_a_minute_ahead_is_refused(ahead_ms: int, refused: int) -> None:
    folding = builder()
    refusals = folding.update(0, NOW_MS, batch(response(time_ms=NOW_MS + ahead_ms), response()))
    assert sum(refusal.events for refusal in refusals) == refused
    assert {refusal.code for refusal in refusals} <= {"future"}


def test_messages_that_were_taken_are_skipped() -> None:
    folding = fed([(NOW_MS, batch(response())), (NOW_MS, batch(response()))])
    assert folding.update(0, NOW_MS, batch(response(time_ms=NOW_MS + 90_000))) == []
    assert folding.update(1, NOW_MS, batch(response())) == []
    assert count(only(emitted(folding)), "responses") == 2
    assert folding.next_offset == 2


def test_only_what_changed_is_emitted_with_its_whole_content() -> None:
    folding = fed([(NOW_MS, batch(response("stable"), response("canary")))])
    assert len(rows(emitted(folding))) == 2
    assert folding.emit()[0] == {}
    folding.update(1, NOW_MS, batch(response("canary")))
    assert count(only(emitted(folding)), "responses") == 2


@pytest.mark.parametrize("changed", [0, 1])
def test_that_a_second_has_become_final_is_told_once_with_what_has_changed_of_it(changed: int) -> None:
    folding = fed([(NOW_MS, batch(response("stable"), response("canary")))])
    emitted(folding)
    folding.update(1, NOW_MS + 2_000, batch(*[response("canary", NOW_MS)] * changed))
    folding.update(2, NOW_MS + 3_000, NO_EVENTS)
    panes, mark = folding.emit()
    (record,) = panes[0]
    assert (len(rows(record)), record.final_s) == (changed, NOW_S + 1)
    assert folding.emit()[0] == {}
    assert folding.is_open
    folding.acknowledge(mark)
    assert not folding.is_open


def test_contributions_go_where_their_release_lives() -> None:
    folding = PaneBuilder(4, FoldSpec(), {"checkout": 1, "search": 2, "cart": 1}.__getitem__)
    folding.update(7, NOW_MS, batch(response(of="checkout"), response(of="search"), response(of="cart")))
    panes, _ = folding.emit()
    assert {place: sorted(key[0] for key in rows(record)) for place, (record,) in panes.items()} == {
        1: ["cart", "checkout"],
        2: ["search"],
    }
    assert {(record.source, record.offset) for (record,) in panes.values()} == {(4, 7)}


def test_a_pane_tells_the_first_message_that_fed_it() -> None:
    folding = fed([(NOW_MS, batch(response("stable"))), (NOW_MS, batch(response("canary"), response("stable")))])
    assert {key[1]: row.first_offset for key, row in rows(emitted(folding)).items()} == {"stable": 0, "canary": 1}


def committed(*messages: tuple[int, ColumnBatch]) -> int | None:
    folding = builder()
    for offset, (append_ms, content) in enumerate(messages):
        folding.update(offset, append_ms, content)
        folding.acknowledge(folding.emit()[1])
    return folding.commit_offset


def test_nothing_can_be_committed_before_anything_is_acknowledged() -> None:
    folding = fed([(NOW_MS, NO_EVENTS)])
    folding.emit()
    assert folding.commit_offset is None


def test_the_commit_stays_at_the_first_message_of_an_open_pane() -> None:
    event = batch(response())
    assert committed((NOW_MS, NO_EVENTS), (NOW_MS, event), (NOW_MS + 10, NO_EVENTS)) == 1


def test_the_commit_moves_on_when_a_pane_is_final_and_acknowledged() -> None:
    event = batch(response())
    assert committed((NOW_MS, event), (NOW_MS + 2_999, NO_EVENTS)) == 0
    assert committed((NOW_MS, event), (NOW_MS + 3_000, NO_EVENTS)) == 1


def test_a_final_pane_that_is_not_acknowledged_holds_the_commit() -> None:
    folding = fed([(NOW_MS, batch(response()))])
    _, first = folding.emit()
    folding.update(1, NOW_MS + 3_000, NO_EVENTS)
    _, second = folding.emit()
    folding.acknowledge(first)
    assert folding.commit_offset == 0
    folding.acknowledge(second)
    assert folding.commit_offset == 1


def test_the_commit_stands_only_where_the_clock_moved() -> None:
    back = (NOW_MS - 500, NO_EVENTS)
    assert committed((NOW_MS, NO_EVENTS), back, back) == 0
    assert committed((NOW_MS, NO_EVENTS), back, (NOW_MS, NO_EVENTS)) == 2
    assert committed((NOW_MS, NO_EVENTS), back, (NOW_MS - 400, batch(response())), (NOW_MS + 1, NO_EVENTS)) == 0


def test_a_late_event_holds_the_commit_at_its_message_until_its_booking_is_final() -> None:
    late = batch(response(time_ms=NOW_MS - 60_000))
    assert committed((NOW_MS, late), (NOW_MS + 2_999, NO_EVENTS)) == 0
    assert committed((NOW_MS, late), (NOW_MS + 3_000, NO_EVENTS)) == 1


def test_a_long_backlog_goes_out_oldest_first_and_whole_seconds_at_a_time() -> None:
    keys = MAX_BYTES // 200
    folding = builder()
    for second in range(3):
        at_ms = NOW_MS + second * 1000
        events = [request(f"v{key}", at_ms) for key in range(keys)]
        folding.update(second, at_ms, batch(*events))
    folding.update(3, NOW_MS + 60_000, NO_EVENTS)
    for panes, final_s in ((2 * keys, NOW_S + 2), (keys, NOW_S + 58)):
        records, mark = folding.emit()
        folding.acknowledge(mark)
        assert sum(record.rows for record in records[0]) == panes
        assert {record.final_s for record in records[0]} == {final_s}
    assert folding.emit()[0] == {}
    assert not folding.is_open
    assert folding.commit_offset == 3


def test_what_waits_of_a_backlog_is_not_given_up() -> None:
    keys = MAX_BYTES // 100
    folding = builder()
    for second in range(2):
        folding.update(second, NOW_MS, batch(*[request(f"v{key}", NOW_MS + second * 1000) for key in range(keys)]))
    folding.update(2, NOW_MS + 60_000, NO_EVENTS)
    _, mark = folding.emit()
    folding.acknowledge(mark)
    assert (folding.is_open, folding.commit_offset) == (True, 1)


def test_many_panes_keep_their_latencies_apart() -> None:
    folding = builder()
    for offset in range(2):
        folding.update(offset, NOW_MS, batch(*[response(f"v{key}", duration_ms=key + 1) for key in range(400)]))
    folding.update(2, NOW_MS + 1_000, NO_EVENTS)
    found = rows(emitted(folding))
    assert len(found) == 400
    for (_, variant, _, _), row in found.items():
        sketch = Sketch()
        sketch.add(row.content.buckets, row.content.bucket_counts)
        assert sketch.snapshot() == sketch_of([(int(variant[1:]) + 1) * 1000] * 2).snapshot()


def test_a_busy_second_keeps_every_latency() -> None:
    folding = builder()
    hundreds = batch(*[response(duration_ms=ms) for ms in range(500)])
    for offset in range(140):
        folding.update(offset, NOW_MS, hundreds)
    content = only(emitted(folding))
    assert int(content.bucket_counts.sum()) == 70_000
    assert count(content, "duration_us") == 140 * 1000 * sum(range(500))


def test_metrics_beyond_what_a_pane_keeps_apart_are_counted_together() -> None:
    folding = builder()
    for offset in range(2):
        folding.update(offset, NOW_MS, batch(*[outcome(value=0.5, metric=f"user-{user}") for user in range(100)]))
    values = only(emitted(folding)).values
    assert len(values) == 33
    assert values["user-0"][0] == 2
    assert values[""][0] == 2 * (100 - 32)
    assert sum(n for n, _, _ in values.values()) == 200


def test_the_clock_is_the_greatest_append_time() -> None:
    folding = fed([(NOW_MS, NO_EVENTS), (NOW_MS - 9, NO_EVENTS)])
    assert (folding.clock_ms, folding.source, folding.next_offset) == (NOW_MS, 0, 2)


OUTAGE = [*[response("stable") for _ in range(100)], *[response("canary", status=500) for _ in range(3)]]


def test_panes_with_more_new_errors_than_chance_explains_are_emitted_ahead_of_the_others() -> None:
    folding = fed([(NOW_MS, batch(*OUTAGE))])
    (record,) = folding.emit_urgent()[0]
    assert [(key[1], count(row.content, "errors")) for key, row in rows(record).items()] == [("canary", 3)]
    assert folding.emit_urgent() == {}
    assert [key[1] for key in rows(emitted(folding))] == ["stable"]
    assert folding.emit()[0] == {}


def test_errors_that_were_told_are_not_urgent_again() -> None:
    folding = fed([(NOW_MS, batch(*OUTAGE))])
    emitted(folding)
    folding.update(1, NOW_MS, batch(*[response("canary", status=500)] * 2))
    assert folding.emit_urgent() == {}
    folding.update(2, NOW_MS, batch(response("canary", status=500)))
    assert len(folding.emit_urgent()) == 1


def test_errors_that_all_variants_have_alike_are_not_urgent() -> None:
    alike = [response(name, status=status) for name in ("stable", "canary") for status in [200] * 9 + [500] * 3]
    assert fed([(NOW_MS, batch(*alike))]).emit_urgent() == {}


def test_two_errors_are_not_urgent() -> None:
    events = [*[response("stable") for _ in range(1_000)], *[response("canary", status=500)] * 2]
    assert fed([(NOW_MS, batch(*events))]).emit_urgent() == {}


def test_what_was_emitted_ahead_is_not_emitted_again() -> None:
    folding = fed([(NOW_MS, batch(*OUTAGE))])
    (ahead,) = folding.emit_urgent()[0]
    folding.update(1, NOW_MS + 3_000, NO_EVENTS)
    assert folding.emit_urgent() == {}
    final = emitted(folding)
    assert (ahead.final_s, final.final_s, final.rows) == (0, NOW_S + 1, 1)


def test_very_many_panes_wait_until_their_second_is_over() -> None:
    events = [response(f"v{key}") for key in range(MANY_PANES + 1)]
    failing = [response("failing", status=500)] * 3
    folding = fed([(NOW_MS, batch(*events, *failing))])
    assert folding.emit()[0] == {}
    (urgent,) = folding.emit_urgent()[0]
    assert urgent.rows == 1
    folding.update(1, NOW_MS + 1_000, NO_EVENTS)
    assert sum(record.rows for record in folding.emit()[0][0]) == len(events)
