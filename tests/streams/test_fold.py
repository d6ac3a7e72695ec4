from typing import NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from trimtab.engine.pane import PaneBuilder
from trimtab.schemas import telemetry_columns, telemetry_message
from trimtab.schemas.telemetry import Response
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.app import create_app
from trimtab.streams.fold import Fold
from trimtab.streams.latency import Latency
from trimtab.streams.settings import FoldSettings, KafkaSettings

NOW_MS = 1_700_000_000_000


class Sent(NamedTuple):
    """A record of the telemetry topic."""

    offset: int
    timestamp: int
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...] = ()


@pytest.fixture
def fold() -> Fold:
    latency = Latency(CollectorRegistry())
    return Fold(create_app(KafkaSettings()), FoldSettings(), 4, latency)


def builder() -> PaneBuilder:
    return PaneBuilder(3, FoldSettings().spec, lambda _: 0)


def message(*, variant: str = "v1", time_ms: int = NOW_MS) -> bytes:
    return msgspec.json.encode(
        [Response(release="checkout", variant=variant, time_ms=time_ms, duration_ms=12.0, status=200)]
    )


def test_a_message_that_does_not_decode_gives_one_letter_with_its_offset_and_reason(fold: Fold) -> None:
    panes = builder()
    (letter,) = fold.take(panes, [Sent(41, NOW_MS, b"no telemetry")])
    assert (letter.source, letter.partition, letter.offset) == (TELEMETRY, 3, 41)
    assert letter.code == "undecodable"
    assert "not a telemetry message" in letter.reason
    assert letter.payload == b"no telemetry"
    assert panes.next_offset == 42


def test_an_event_a_minute_ahead_is_a_letter_and_its_neighbours_count(fold: Fold) -> None:
    panes = builder()
    batch = telemetry_columns.pack(
        [
            Response(release="checkout", variant="v1", time_ms=NOW_MS, duration_ms=1.0, status=200),
            Response(release="checkout", variant="v1", time_ms=NOW_MS + 60_001, duration_ms=1.0, status=200),
        ],
        publisher="p",
        seq=0,
        sent_ms=NOW_MS,
    )
    (letter,) = fold.take(panes, [Sent(0, NOW_MS, telemetry_message.encode(batch))])
    assert (letter.code, letter.events) == ("future", 1)
    ((contribution,),) = panes.emit()[0].values()
    assert contribution.rows == 1


def test_a_message_of_a_newer_version_is_parked_whole_under_its_own_code(fold: Fold) -> None:
    panes = builder()
    newer = b'{"kind": "teleport", "release": "checkout", "variant": "v1", "time_ms": 1700000000000, "v": 2}'
    (letter,) = fold.take(panes, [Sent(7, NOW_MS, newer)])
    assert (letter.code, letter.events, letter.payload) == ("newer-version", 1, newer)
    assert letter.reason == "a telemetry message of version 2: expected at most 1"
    assert panes.emit()[0] == {}


def test_every_event_taken_is_counted_once(fold: Fold) -> None:
    panes = builder()
    for offset in range(3):
        fold.take(panes, [Sent(offset, NOW_MS + offset, message())])
    assert fold.events == 3


def test_letters_of_messages_that_are_folded_together_come_in_their_order(fold: Fold) -> None:
    panes = builder()
    ahead = message(time_ms=NOW_MS + 3_600_000)
    payloads = [message(), b"poison", ahead, message(), b"", ahead]
    letters = fold.take(panes, [Sent(offset, NOW_MS, payload) for offset, payload in enumerate(payloads)])
    assert [(letter.offset, letter.code) for letter in letters] == [
        (1, "undecodable"), (2, "future"), (4, "undecodable"), (5, "future"),
    ]  # fmt: skip
    assert fold.events == 6
