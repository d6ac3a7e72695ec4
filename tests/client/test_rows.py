import math

import pytest

from trimtab.client.rows import Row, pack_rows
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.schemas.telemetry_message import decode, encode

NOW_MS = 1_800_000_000_000
KEY = RoutingKey("checkout", "v1", "", 3, 7)
GOOD: Row = (KEY, NOW_MS, 12.5, 200, 100, 0)


def packed(*rows: object) -> tuple[int, int]:
    """How many events a reader finds in the batch of `rows`, and how many were left out."""
    packer, invalid = pack_rows(rows, NOW_MS)  # type: ignore[arg-type]  # callers may offer anything
    batch = decode(encode(packer.finish(publisher="p", seq=0, sent_ms=NOW_MS)))
    return batch.count, invalid


@pytest.mark.parametrize(
    "row",
    [
        (KEY, NOW_MS),
        GOOD,
        (KEY, NOW_MS, 0, 0, 0, 0),
        (KEY, NOW_MS, 1e12, 503, 0, Failure.TIMEOUT),
        (KEY, NOW_MS, "converted", 1),
        (KEY, NOW_MS, "converted", -0.5),
        (KEY, NOW_MS - 60_000, "", 0.0),
        (("checkout", "v1", "", 3, 7), NOW_MS),  # the same on the wire
    ],
)
def test_a_row_that_fits_is_packed(row: object) -> None:
    assert packed(row) == (1, 0)


@pytest.mark.parametrize(
    "row",
    [
        (KEY, NOW_MS, -1.0, 200, 0, 0),
        (KEY, NOW_MS, math.nan, 200, 0, 0),
        (KEY, NOW_MS, math.inf, 70_000, 0, 0),
        (KEY, NOW_MS, None, 200, 0, 0),
        (KEY, NOW_MS, "12", 200, 0, 0),
        (KEY, NOW_MS, 1.0, -1, 0, 0),
        (KEY, NOW_MS, 1.0, 65_536, 0, 0),
        (KEY, NOW_MS, 1.0, 200.5, 0, 0),
        (KEY, NOW_MS, 1.0, "200", 0, 0),
        (KEY, NOW_MS, 1.0, None, 0, 0),
        (KEY, NOW_MS, 1.0, 200, -1, 0),
        (KEY, NOW_MS, 1.0, 200, 2**32, 0),
        (KEY, NOW_MS, 1.0, 200, 0, 256),
        (KEY, NOW_MS, "converted", math.nan),
        (KEY, NOW_MS, "converted", math.inf),
        (KEY, NOW_MS, "converted", "1"),
        (KEY, NOW_MS, "converted", None),
        (KEY, NOW_MS, "converted", 10**400),
        (KEY, NOW_MS, 5, 1.0),
        (KEY, NOW_MS, None, 1.0),
        (KEY, NOW_MS, "\ud800", 1.0),
        (KEY, NOW_MS, [], 1.0),
        (KEY, 0),
        (KEY, NOW_MS + 2**40),
        (KEY, 2**70),
        (KEY, float(NOW_MS)),
        (KEY, "now"),
        (KEY, math.nan),
        (None, NOW_MS),
        ("checkout", NOW_MS),
        (RoutingKey("checkout", "v1", "", 3, "7"), NOW_MS),  # type: ignore[arg-type]
        (RoutingKey("checkout", "v1", "", 3, 2**80), NOW_MS),
        (RoutingKey("checkout", "v1", None, 3, 7), NOW_MS),  # type: ignore[arg-type]
        (RoutingKey(["checkout"], "v1", "", 3, 7), NOW_MS),  # type: ignore[arg-type]
        (RoutingKey("\udfff", "v1", "", 3, 7), NOW_MS),
    ],
    ids=repr,
)
def test_a_row_that_does_not_fit_costs_no_other(row: object) -> None:
    assert packed(GOOD, row, GOOD) == (2, 1)
    assert packed(row, GOOD) == (1, 1)


def test_no_rows_make_an_empty_batch() -> None:
    assert packed() == (0, 0)


def test_a_batch_holds_more_metrics_than_fit_by_leaving_out_the_rest() -> None:
    rows = [(KEY, NOW_MS, f"metric-{number}", 1.0) for number in range(300)]
    assert packed(*rows) == (256, 44)
