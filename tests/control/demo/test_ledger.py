import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.demo.builders import exchange, ledger
from trimtab.control.demo.ledger import quantile, tally


def test_tally_counts_what_each_variant_got_and_did() -> None:
    seen = [
        exchange(0.0, "v1", latency_ms=10.0, converted=True),
        exchange(0.1, "v1", latency_ms=30.0),
        exchange(0.2, "v2", latency_ms=20.0, status=500),
        exchange(0.3, "", latency_ms=3000.0, status=0),
    ]
    first, second, third = tally(seen, ("v1", "v2", "v3"))
    assert (first.requests, first.share, first.errors, first.conversions) == (2, 0.5, 0, 1)
    assert (first.p50_ms, first.p99_ms) == (10.0, 30.0)
    assert (second.requests, second.errors) == (1, 1)
    assert (third.requests, third.share) == (0, 0.0)
    assert math.isnan(third.p50_ms)


def test_tally_of_nothing_has_no_shares() -> None:
    assert [one.share for one in tally([], ("v1", "v2"))] == [0.0, 0.0]


@pytest.mark.parametrize("status", [500, 503, 599, 0])
def test_a_client_goes_away_empty_handed_on_server_errors_and_silence(status: int) -> None:
    assert exchange(0.0, status=status).failed


@pytest.mark.parametrize("status", [200, 301, 404, 499])
def test_what_a_client_asked_for_wrongly_is_no_failure(status: int) -> None:
    assert not exchange(0.0, status=status).failed


def test_a_slow_answer_is_bad_only_where_there_is_a_limit() -> None:
    slow = exchange(0.0, latency_ms=151.0)
    assert slow.is_bad(150.0)
    assert not slow.is_bad(math.inf)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_quantile_is_the_least_value_with_enough_values_up_to_it(values: list[float], q: float) -> None:
    ascending = sorted(values)
    found = quantile(ascending, q)
    assert sum(value <= found for value in ascending) >= q * len(ascending) - 1e-9
    assert sum(value < found for value in ascending) < q * len(ascending)


@given(st.lists(st.floats(0, 100), max_size=50), st.floats(0, 100))
def test_the_last_seconds_are_the_exchanges_that_ended_in_them(ends_s: list[float], start_s: float) -> None:
    book = ledger(exchange(end_s, latency_ms=0.0) for end_s in sorted(ends_s))
    assert book.ended_since(start_s) == [one for one in book.exchanges if one.ended_s >= start_s]


def test_sent_since_goes_by_when_a_request_was_sent() -> None:
    book = ledger([exchange(4.9, latency_ms=500.0), exchange(5.0)])
    assert [one.sent_s for one in book.sent_since(5.0)] == [5.0]
