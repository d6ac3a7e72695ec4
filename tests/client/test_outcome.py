"""Outcomes find their request by its token or its id, and what cannot be attributed is counted."""

from typing import Any

import pytest

from trimtab.client import Assign, Assignment, Outcome, RoutingKey, Telemetry
from trimtab.client.board import Board
from trimtab.client.token import Attribution, read_token, token_of
from trimtab.schemas.errors import InvalidEvent

KEY = RoutingKey("checkout", "v2", "eu", 9, 7)
ONE = Assignment("v2", "at-v2", KEY, 1_767_225_600_000, "r-1")


class Told(Telemetry):
    """Takes note in place of sending."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[Any, ...]] = []

    def outcome(self, key: RoutingKey, metric: str, value: float, **of: Any) -> None:
        self.outcomes.append((key, metric, value, of))


def test_a_token_says_what_it_was_made_of() -> None:
    assert read_token(ONE.token) == Attribution(KEY, 1_767_225_600_000, "r-1")
    assert set(ONE.token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@pytest.mark.parametrize("text", ["", "x", "!", "é", "a" * 2_000, ONE.token[:-3], ONE.token + "AAAA", "gqhjaGVja291dA"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidEvent, match="token"):
        read_token(text)


def test_an_outcome_by_its_token_is_told_as_of_its_request() -> None:
    told = Told()
    outcome = Outcome(told)
    assert outcome.by_token(ONE.token, "converted")
    assert outcome.by_token(ONE.token, "revenue", 9.5, time_ms=5)
    of = {"started_ms": 1_767_225_600_000, "request": "r-1"}
    assert told.outcomes == [
        (KEY, "converted", 1.0, {"time_ms": None, **of}), (KEY, "revenue", 9.5, {"time_ms": 5, **of})
    ]  # fmt: skip


def test_a_text_that_is_no_token_is_counted_and_nothing_is_told() -> None:
    told = Told()
    outcome = Outcome(told)
    assert not outcome.by_token("nonsense", "converted")
    assert (outcome.unknown, told.outcomes) == (1, [])


@pytest.mark.parametrize("told", [None, b"l6hj", 7, ["r-1"]])
def test_what_is_no_text_is_counted_and_raises_nothing(told: Any) -> None:
    outcome = Outcome(Told())
    assert not outcome.by_token(told, "converted")  # as `headers.get("x-trimtab-token")` has it where it is absent
    assert not outcome.by_request(told, "converted")
    assert outcome.unknown == 2


def test_an_outcome_by_id_is_told_while_the_request_is_remembered() -> None:
    told = Told()
    outcome = Outcome(told, remembered=2)
    for number in range(1, 4):
        outcome.remember(Assignment("v2", "at-v2", KEY, number, f"r-{number}"))
    assert [outcome.by_request(f"r-{number}", "converted") for number in range(1, 4)] == [False, True, True]
    assert [of["started_ms"] for *_, of in told.outcomes] == [2, 3]
    assert outcome.unknown == 1


def test_a_request_that_takes_no_part_is_not_remembered() -> None:
    outcome = Outcome(Told())
    outcome.remember(Assignment("v1", "at-v1", KEY, 1, "r-1", takes_part=False))
    assert not outcome.by_request("r-1", "converted")


def test_room_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="remembered: expected at least 1, got 0"):
        Outcome(Told(), remembered=0)


def test_two_requests_of_one_millisecond_have_tokens_of_their_own() -> None:
    assign = Assign(Board([]), default={"checkout": "v1"})
    assert len({assign.pick("checkout").token for _ in range(100)}) == 100
    assert token_of(Attribution(KEY, 1, "a")) != token_of(Attribution(KEY, 1, "b"))
