"""Streams: every decision once and in order, whatever happens to the server or to whoever looks."""

import itertools
import re
import socket
import time
from collections.abc import Iterator

import pytest

from control.api.api_rig import LOOK_S, ApiRig, ApiServer, Event, chain
from trimtab.control.api.ring import MAX_FRAMES

pytestmark = [pytest.mark.integration, pytest.mark.long]
FIRST = MAX_FRAMES + 250
"""More than the ring holds: the oldest are in Kafka alone."""


@pytest.fixture(scope="module")
def rig() -> Iterator[ApiRig]:
    with ApiRig() as rig:
        rig.decide(*chain(1, FIRST))
        yield rig


@pytest.fixture(scope="module")
def api(rig: ApiRig) -> ApiServer:
    return rig.serve()


def take(events: Iterator[Event], count: int) -> list[str]:
    decisions = (event for event in events if event.name == "decision")
    return [event.id for event in itertools.islice(decisions, count)]


def expected(first: int, last: int) -> list[str]:
    return [f"7-{number}" for number in range(first, last + 1)]


@pytest.mark.parametrize("last", [0, 1, FIRST - MAX_FRAMES - 1, FIRST - MAX_FRAMES, FIRST - 1])
def test_a_stream_resumes_after_the_last_event_without_a_gap(api: ApiServer, last: int) -> None:
    events = api.events("/api/v1/releases/checkout/events", Last_Event_ID=f"7-{last}")
    assert take(events, FIRST - last) == expected(last + 1, FIRST)


def test_a_stream_begins_with_the_newest_and_follows(rig: ApiRig) -> None:
    rig.decide(*chain(1, 3, "cart"))
    api = rig.serve()
    events = api.events("/api/v1/releases/cart/events")
    assert take(events, 1) == ["7-3"]
    rig.decide(*chain(4, 20, "cart"), *chain(18, 24, "cart"))
    assert take(events, 21) == expected(4, 24)


def test_no_decision_is_missed_or_doubled_over_a_restart(rig: ApiRig) -> None:
    rig.decide(*chain(1, 3, "shop"))
    api = rig.serve()
    events = api.events("/api/v1/releases/shop/events", Last_Event_ID="7-1")
    seen = take(events, 2)
    rig.decide(*chain(4, 9, "shop"))
    seen += take(events, 3)
    assert api.end() == 0
    seen += take(events, 99)
    rig.decide(*chain(10, 15, "shop"))
    events = rig.serve().events("/api/v1/releases/shop/events", Last_Event_ID=seen[-1])
    rig.decide(*chain(16, 18, "shop"))
    seen += take(events, 18 - int(seen[-1].removeprefix("7-")))
    assert seen == expected(2, 18)


def test_all_releases_are_followed_in_a_line_each(rig: ApiRig) -> None:
    rig.decide(*chain(1, 2, "one"))
    api = rig.serve()
    events = api.events("/api/v1/events")
    known: dict[str, int] = {}
    while "one" not in known or "checkout" not in known:
        event = next(events)
        assert (event.name, event.id, "trend" in event.data) == ("release", "", False)
        known[event.data["name"]] = event.data["revision"]
    assert (known["one"], known["checkout"]) == (2, FIRST)
    rig.decide(*chain(3, 5, "one"))
    while known["one"] != 5:
        event = next(events)
        known[event.data["name"]] = event.data["revision"]


@pytest.mark.parametrize("given", ["x", "7", "7-", "-1", "7-1.5", "9" * 40 + "-1"])
def test_a_last_event_that_is_none_of_ours_is_refused(api: ApiServer, given: str) -> None:
    found = api.get("/api/v1/releases/checkout/events", Last_Event_ID=given)
    assert (found.status, found.json["errors"][0]["field"]) == (422, "Last-Event-ID")


def test_a_viewer_that_takes_nothing_is_dropped_and_resumes(rig: ApiRig) -> None:
    """The server is told to lose patience soon; what it sends is more than the sockets between hold."""
    rig.decide(*chain(1, 2, "slow"))
    patience = "import trimtab.control.api.stream as s; s.SLOW_S = 0.5; from trimtab.control.cli import main; main()"
    api = rig.serve(code=patience)
    reader = socket.create_connection(("127.0.0.1", api.port))
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    reader.sendall(b"GET /api/v1/releases/slow/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 7-0\r\n\r\n")
    reasons = ["x" * 60_000]
    last = 60
    rig.decide(*chain(3, last, "slow", reasons=reasons))
    other = api.events("/api/v1/releases/slow/events", Last_Event_ID="7-2")
    assert take(other, last - 2) == expected(3, last), "whoever reads is not held up"
    while "viewer_dropped" not in api.program.output:
        time.sleep(LOOK_S)  # between two looks, not instead of one; pytest's timeout ends it
    seen = b""
    reader.settimeout(60)
    while chunk := reader.recv(1 << 16):
        seen += chunk
    reader.close()
    ids = [found.decode() for found in re.findall(rb"\nid: (7-\d+)\n", seen)]
    assert ids == expected(1, len(ids))
    assert 0 < len(ids) < last
    resumed = api.events("/api/v1/releases/slow/events", Last_Event_ID=ids[-2])
    assert take(resumed, 2) == expected(len(ids), len(ids) + 1)
