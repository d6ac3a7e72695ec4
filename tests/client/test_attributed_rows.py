"""Outcomes that say which request they are of, on their way into columns."""

import numpy as np
import pytest

from trimtab.client.rows import Row, pack_rows
from trimtab.client.telemetry import Telemetry
from trimtab.schemas.request import request_number
from trimtab.schemas.telemetry import ColumnBatch, RoutingKey
from trimtab.schemas.telemetry_message import decode, encode

NOW_MS = 1_800_000_000_000
KEY = RoutingKey("checkout", "v1", "", 3, 7)


def packed(*rows: Row) -> tuple[ColumnBatch, int]:
    packer, invalid = pack_rows(rows, NOW_MS)
    return decode(encode(packer.finish(publisher="p", seq=0, sent_ms=NOW_MS))), invalid


def test_a_start_and_a_request_stand_beside_their_outcome_alone() -> None:
    told: Row = (KEY, NOW_MS, "rating", 1.0, (NOW_MS - 90_000, "6f0d3c1e"))
    batch, invalid = packed((KEY, NOW_MS), told, (KEY, NOW_MS, "rating", 1.0))
    assert invalid == 0
    assert np.frombuffer(batch.started, dtype="<i4").tolist() == [0, 90_000, 0]
    assert np.frombuffer(batch.request, dtype="<u8").tolist() == [0, request_number("6f0d3c1e"), 0]


def test_outcomes_that_say_neither_take_no_room() -> None:
    batch, _ = packed((KEY, NOW_MS, "rating", 1.0), (KEY, NOW_MS, "rating", 1.0, (0, "")))
    assert (batch.started, batch.request) == (b"", b"")


@pytest.mark.parametrize("started_ms", [NOW_MS + 1_001, NOW_MS - 7 * 86_400_000 - 1, 1, 0.5, "now", 1 << 70])
def test_a_start_that_no_worker_takes_is_left_out_and_costs_the_others_nothing(started_ms: object) -> None:
    bad = (KEY, NOW_MS, "rating", 1.0, (started_ms, ""))
    batch, invalid = packed((KEY, NOW_MS), bad)  # type: ignore[arg-type]  # callers may offer anything
    assert (batch.count, invalid) == (1, 1)


def test_a_request_that_is_no_text_is_left_out() -> None:
    _, invalid = packed((KEY, NOW_MS, "rating", 1.0, (0, 7)))  # type: ignore[arg-type]  # callers may offer anything
    assert invalid == 1


def test_telemetry_offers_what_it_is_told() -> None:
    telemetry = Telemetry("127.0.0.1:1", publisher="p")
    telemetry.close(0)
    offered: list[Row] = []
    telemetry._offer = offered.append  # type: ignore[assignment]  # as a buffer takes it
    telemetry.outcome(KEY, "rating", 1.0, time_ms=NOW_MS)
    telemetry.outcome(KEY, "rating", 1.0, time_ms=NOW_MS, started_ms=NOW_MS - 5)
    telemetry.outcome(KEY, "rating", 1.0, time_ms=NOW_MS, request="a")
    assert offered == [
        (KEY, NOW_MS, "rating", 1.0),
        (KEY, NOW_MS, "rating", 1.0, (NOW_MS - 5, "")),
        (KEY, NOW_MS, "rating", 1.0, (0, "a")),
    ]
