"""Lines of HAProxy's log, and the stream that they come in."""

import random

import pytest

from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.sidecar.haproxy.log_line import AccessLog, failure, parse
from trimtab.sidecar.haproxy.ring import BrokenFrame, Frames

LINE = b"trimtab/1 1767225600123 checkout at-v2.3 1767225600.57 200 --NN 12 345"


def log() -> AccessLog:
    made = AccessLog()
    made.name("checkout", {"v1": "at-v1", "v2": "at-v2"})
    return made


def test_a_line_is_a_request_and_a_response_of_the_instant_at_which_it_ended() -> None:
    key = RoutingKey("checkout", "v2", "", 1_767_225_600, 57)
    assert log().rows([LINE]) == [(key, 1_767_225_600_123), (key, 1_767_225_600_123, 12.0, 200, 345, 0)]


def test_the_backend_says_which_segment() -> None:
    rows = log().rows([LINE.replace(b" checkout ", b" checkout:segment:mobile:0a1b2c3d ")])
    assert {row[0].segment for row in rows} == {"mobile"}


def test_what_was_claimed_or_came_with_a_cookie_has_no_revision() -> None:
    claimed = LINE.replace(b" checkout ", b" checkout:claim:v2:0a1b2c3d ").replace(b"1767225600.57", b"-")
    assert {row[0] for row in log().rows([claimed])} == {RoutingKey("checkout", "v2", "", 0, 0)}


def test_what_takes_no_part_is_nobodys_and_no_fault() -> None:
    outside = log()
    assert outside.rows([LINE.replace(b" checkout ", b" checkout:outside:0a1b2c3d ")]) == []
    assert outside.unattributed == 0


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\xff\xfe", b"{}", b"backend checkout has no server available!", LINE + b" more", LINE[:-4],
        LINE.replace(b"trimtab/1", b"trimtab/2"), LINE.replace(b" 12 ", b" 1x "), LINE.replace(b"at-v2.3", b"at-v9"),
        LINE.replace(b"at-v2.3", b"<NOSRV>"), LINE.replace(b" checkout ", b" other "), b"0" * 70_000,
    ],
)  # fmt: skip
def test_a_line_that_is_not_ours_is_counted_and_skipped(line: bytes) -> None:
    counted = log()
    assert len(counted.rows([line, LINE])) == 2
    assert counted.unattributed == 1
    assert counted.routed == {("checkout", "v2"): 1}


def test_targets_of_earlier_revisions_stay_known() -> None:
    moved = log()
    moved.name("checkout", {"v1": "at-v1", "v2": "at-w2"})
    assert len(moved.rows([LINE, LINE.replace(b"at-v2.3", b"at-w2")])) == 4


def test_a_request_that_was_given_up_has_no_status_and_no_negative_time() -> None:
    line = parse(LINE.replace(b" 200 --NN 12 ", b" -1 CD-- -1 "))
    assert line is not None
    assert (line.status, line.active_ms, line.failure) == (0, 0, Failure.CLIENT)


@pytest.mark.parametrize(
    ("termination", "expected"),
    [
        ("--NN", Failure.NONE), ("SC--", Failure.CONNECT), ("sC--", Failure.CONNECT), ("SH--", Failure.RESET),
        ("sH--", Failure.TIMEOUT), ("sD--", Failure.TIMEOUT), ("sQ--", Failure.OVERLOAD), ("RC--", Failure.OVERLOAD),
        ("CH--", Failure.CLIENT), ("cR--", Failure.CLIENT), ("PH--", Failure.RESET), ("PR--", Failure.NONE),
        ("D---", Failure.RESET), ("LR--", Failure.NONE), ("", Failure.NONE),
    ],
)  # fmt: skip
def test_termination_states_say_whose_fault_it_was(termination: str, expected: Failure) -> None:
    assert failure(termination) is expected


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_gives_the_same_lines_in_whatever_pieces_it_comes(seed: int) -> None:
    draw = random.Random(seed)
    lines = [bytes(draw.choices(b"0123 abc", k=draw.randrange(200))) for _ in range(100)]
    stream = b"".join(b"%d %s" % (len(line), line) for line in lines)
    frames, got = Frames(), list[bytes]()
    while stream:
        size = draw.randrange(1, 300)
        got += frames.take(stream[:size])
        stream = stream[size:]
    assert got == lines


@pytest.mark.parametrize("stream", [b"hello", b"<14>1 2026", b" 5 hello", b"1234567 ", b"5x"])
def test_a_stream_of_something_else_is_refused(stream: bytes) -> None:
    with pytest.raises(BrokenFrame, match="expected a length and a space"):
        Frames().take(stream)
