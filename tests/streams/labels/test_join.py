"""The join, message by message, over a real table."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from trimtab.schemas.label import Label, LabelEvent, Prediction, encode
from trimtab.schemas.request import request_number
from trimtab.streams.labels.join import EARLY_S, MOST, Compared, Found, Join, Joined, Message, outcomes_of
from trimtab.streams.labels.open_requests import OpenRequests, Unusable, key_of

WINDOW_S = 3_600
START_S = 1_700_000_000
NOW_MS = START_S * 1000 + 7_000


class Log:
    """A partition that a test writes to, and a join that reads it."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_s, self.offset = path, START_S, 0
        self.open()

    def open(self) -> None:
        self.table = OpenRequests(self.path)
        self.join = Join(self.table, WINDOW_S)

    def take(self, *events: LabelEvent | bytes, keep: bool = True) -> list[Found]:
        messages = []
        for event in events:
            payload = event if isinstance(event, bytes) else encode(event)
            messages.append(Message(0, self.offset, self.now_s, payload))
            self.offset += 1
        joined = self.join.take(messages)
        if keep:
            self.join.keep()
        return joined

    @property
    def refused(self) -> dict[str, int]:
        return dict(self.join.counts.refused)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "labels.db")
    yield made
    made.table.close()


def prediction(request: str = "r1", answer: str = "7", **more: object) -> Prediction:
    made = Prediction(
        request=request, release="digits", variant="v2", segment="eu", era=3, revision=9, time_ms=START_S * 1000,
        label=answer,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def label(request: str = "r1", truth: str = "7") -> Label:
    return Label(request=request, time_ms=START_S * 1000 + 5_000, label=truth)


def test_a_label_finds_its_prediction_and_becomes_an_outcome_of_its_request(log: Log) -> None:
    assert log.take(prediction()) == []
    log.now_s += 5
    (joined,) = log.take(label())
    (outcome,) = outcomes_of(joined, log.join.counts, NOW_MS)
    assert (outcome.release, outcome.variant, outcome.segment, outcome.era, outcome.revision) == (
        "digits", "v2", "eu", 3, 9,
    )  # fmt: skip
    assert (outcome.metric, outcome.value) == ("correct", 1.0)
    assert (outcome.started_ms, outcome.time_ms) == (START_S * 1000, NOW_MS)
    assert outcome.request == request_number("r1")
    assert log.join.counts.joined == 1


def test_a_label_may_be_early_also_within_one_batch(log: Log) -> None:
    assert len(log.take(label(), prediction())) == 1
    log.take(label("r2"))
    log.now_s += EARLY_S
    assert len(log.take(prediction("r2"))) == 1
    assert log.refused == {}


def test_only_the_first_label_counts(log: Log) -> None:
    log.take(prediction(), prediction(), label(), label(truth="1"))
    log.take(label(), prediction())
    assert log.refused == {"repeated": 4}
    assert log.join.counts.labels == 3


def test_a_label_past_the_window_is_expired_and_later_unknown(log: Log) -> None:
    log.take(prediction("r1"), prediction("r2"))
    log.now_s += WINDOW_S
    assert len(log.take(label("r1"))) == 1
    log.now_s += 1
    assert log.take(label("r2")) == []
    assert log.refused == {"expired": 1}
    log.now_s += WINDOW_S
    log.take(prediction("r3"))
    assert log.table.find([key_of("r2")]) == {}, "forgotten"


def test_a_label_whose_prediction_does_not_come_is_unknown(log: Log) -> None:
    log.take(prediction("other"))
    log.now_s += EARLY_S
    log.take(label("ghost"), label("other"))
    log.now_s += EARLY_S + 1
    log.take(prediction("another"))
    assert log.refused == {"unknown": 1}
    assert log.take(prediction("ghost")) == [], "too late"
    log.now_s += EARLY_S + 1
    log.take(prediction("a third"))
    assert log.refused == {"unknown": 1}


def test_one_label_is_of_all_variants_that_answered(log: Log) -> None:
    live, copy = prediction(variant="v1"), prediction(answer="1", shadow=True)
    assert log.take(live) == []
    assert log.take(copy) == [Compared(copy, live)]
    assert log.take(label()) == [Joined(live, label()), Joined(copy, label())]
    later = prediction(variant="v3", shadow=True)
    assert log.take(later) == [Compared(later, live), Joined(later, label())]
    assert log.refused == {}


def test_a_copy_may_be_first_and_is_compared_with_the_live_answer_alone(log: Log) -> None:
    copy, live = prediction(answer="1", shadow=True), prediction(variant="v1")
    other = prediction(variant="v3", shadow=True)
    assert log.take(copy, other) == []
    assert log.take(live) == [Compared(copy, live), Compared(other, live)]
    found = [outcomes_of(one, log.join.counts, NOW_MS) for one in (Compared(copy, live), Compared(other, live))]
    assert [[(one.variant, one.metric, one.value) for one in each] for each in found] == [
        [("v2", "agreement", 0.0)], [("v3", "agreement", 1.0)],
    ]  # fmt: skip
    assert log.join.counts.compared == 2


def test_a_copy_of_another_release_is_nothing_to_compare_with(log: Log) -> None:
    assert log.take(prediction(), prediction(release="other", shadow=True)) == []
    many = [prediction("r2", variant=f"v{number}") for number in range(MOST + 1)]
    log.take(*many)
    assert log.refused == {"too_many": 1}


def test_what_does_not_fit_is_counted_by_reason(log: Log) -> None:
    newer = b'{"kind": "label", "request": "r", "time_ms": 1, "label": "7", "v": 2}'
    joined = log.take(b"nonsense", newer, prediction(), Label(request="r1", time_ms=1, value=3.0))
    assert [outcomes_of(one, log.join.counts, NOW_MS) for one in joined] == [[]]
    assert log.refused == {"undecodable": 1, "newer-version": 1, "unfit": 1}
    assert log.join.counts.joined == 0


def test_what_was_not_kept_is_read_again_and_gives_the_same(log: Log) -> None:
    log.take(prediction("r1"))
    first = log.take(label("r1"), prediction("r2"), keep=False)
    log.table.close()
    log.open()
    assert log.table.offsets() == {0: 1}
    log.offset = 1
    assert log.take(label("r1"), prediction("r2")) == first
    assert log.table.offsets() == {0: 3}


def test_any_order_of_many_requests_joins_each_once(log: Log) -> None:
    draws = random.Random(11)
    events = [make(f"r{number}") for number in range(1_500) for make in (prediction, label)]
    draws.shuffle(events)
    joined: list[Found] = []
    while events:
        count = draws.randint(1, 700)
        batch, events = events[:count], events[count:]
        joined += log.take(*batch)
        if draws.random() < 0.3:
            log.table.close()
            log.open()
    requests = sorted(one.prediction.request for one in joined if isinstance(one, Joined))
    assert requests == sorted(f"r{number}" for number in range(1_500))


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but longer than the header of one would be" * 9)
    with pytest.raises(Unusable, match="not a file of open requests"):
        OpenRequests(tmp_path / "text")
    with pytest.raises(Unusable, match="unable to open"):
        OpenRequests(tmp_path / "no" / "folder")
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 9")
    newer.close()
    with pytest.raises(Unusable, match="of version 9, expected at most 1"):
        OpenRequests(tmp_path / "newer")


def test_keys_tell_requests_apart() -> None:
    assert len({key_of(f"r{number}") for number in range(100_000)}) == 100_000
