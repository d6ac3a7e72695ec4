import msgspec
import pytest

from trimtab.engine.pane import PaneBuilder
from trimtab.schemas import telemetry
from trimtab.schemas.telemetry import Response
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.app import create_app
from trimtab.streams.fold import Fold
from trimtab.streams.settings import FoldSettings, KafkaSettings

NOW_MS = 1_700_000_000_000


@pytest.fixture
def fold() -> Fold:
    return Fold(create_app(KafkaSettings()), FoldSettings(), evidence_partitions=4)


def builder() -> PaneBuilder:
    return PaneBuilder(3, FoldSettings().spec, lambda _: 0)


def message(*, variant: str = "v1", time_ms: int = NOW_MS) -> bytes:
    return msgspec.json.encode(
        [Response(release="checkout", variant=variant, time_ms=time_ms, duration_ms=12.0, status=200)]
    )


def test_a_message_that_does_not_decode_gives_one_letter_with_its_offset_and_reason(fold: Fold) -> None:
    panes = builder()
    (letter,) = fold.take(panes, 41, NOW_MS, b"no telemetry")
    assert (letter.source, letter.partition, letter.offset) == (TELEMETRY, 3, 41)
    assert letter.code == "undecodable"
    assert "not a telemetry message" in letter.reason
    assert letter.payload == b"no telemetry"
    assert panes.next_offset == 42


def test_an_event_a_minute_ahead_is_a_letter_and_its_neighbours_count(fold: Fold) -> None:
    panes = builder()
    batch = telemetry.pack(
        [
            Response(release="checkout", variant="v1", time_ms=NOW_MS, duration_ms=1.0, status=200),
            Response(release="checkout", variant="v1", time_ms=NOW_MS + 60_001, duration_ms=1.0, status=200),
        ],
        publisher="p",
        seq=0,
        sent_ms=NOW_MS,
    )
    (letter,) = fold.take(panes, 0, NOW_MS, telemetry.encode(batch))
    assert (letter.code, letter.events) == ("future", 1)
    (contribution,) = panes.emit()[0].values()
    assert contribution.rows == 1


def test_every_event_taken_is_counted_once(fold: Fold) -> None:
    panes = builder()
    for offset in range(3):
        fold.take(panes, offset, NOW_MS + offset, message())
    assert fold.events == 3
