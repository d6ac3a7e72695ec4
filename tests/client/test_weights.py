import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import msgspec
import pytest
from redis import Redis

from trimtab.client import Phase, Unreachable, Weights, WeightsRecord
from trimtab.schemas.decision import encode
from trimtab.schemas.redis_keys import weights_channel, weights_key
from trimtab.streams.embedded import EmbeddedRedis

Eventually = Callable[..., None]


def weights_record(revision: int, release: str = "checkout", era: int = 1) -> WeightsRecord:
    share = revision % 10_000
    return WeightsRecord(
        release=release, era=era, revision=revision, time_ms=0, phase=Phase.PROGRESSING,
        weights={"v1": 10_000 - share, "v2": share}, targets={"v1": "v1", "v2": "v2"},
    )  # fmt: skip


def write(redis: EmbeddedRedis, payload: bytes, release: str = "checkout") -> None:
    with Redis.from_url(redis.url) as client:
        client.hset(weights_key(release), "weights", payload)


def announce(redis: EmbeddedRedis, *payloads: bytes, release: str = "checkout") -> int:
    """Gives the number of subscribers that the last one reached."""
    with Redis.from_url(redis.url) as client:
        return [int(client.publish(weights_channel(release), payload)) for payload in payloads][-1]


def publish(redis: EmbeddedRedis, *records: WeightsRecord) -> None:
    """As the engine does: the key, then the channel."""
    for record in records:
        write(redis, encode(record), record.release)
        announce(redis, encode(record), release=record.release)


class Seen:
    """What a subscriber was told, in order."""

    def __init__(self) -> None:
        self.ids: list[tuple[int, int]] = []
        self._news: Queue[WeightsRecord] = Queue()

    def take(self, record: WeightsRecord) -> None:
        self.ids.append(record.id)
        self._news.put(record)

    def until(self, revision: int) -> list[tuple[int, int]]:
        """Waits until `revision` is told, and gives all so far."""
        while self._news.get(timeout=60).revision != revision:
            pass
        return self.ids


@contextmanager
def connected(redis: EmbeddedRedis, eventually: Eventually, **options: object) -> Iterator[Weights]:
    with Weights(redis.url, ["checkout"], **options) as weights:  # type: ignore[arg-type]  # tests name real options
        eventually(lambda: weights.connected, what="connected")
        yield weights


def absent_address() -> str:
    with EmbeddedRedis() as gone:
        return gone.url


def test_weights_published_before_the_start_are_there(redis: EmbeddedRedis) -> None:
    publish(redis, weights_record(5))
    with Weights(redis.url, ["checkout"]) as weights:
        assert weights.wait("checkout", 60) == weights_record(5)
        assert weights.get("checkout") == weights_record(5)


def test_each_newer_revision_is_told(redis: EmbeddedRedis, eventually: Eventually) -> None:
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        publish(redis, *map(weights_record, range(1, 51)))
        assert seen.until(50) == [(1, revision) for revision in range(1, 51)]
        assert weights.get("checkout") == weights_record(50)


def test_an_older_or_repeated_revision_is_not_told(redis: EmbeddedRedis, eventually: Eventually) -> None:
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        publish(redis, *map(weights_record, [7, 3, 7, 6, 8]))
        assert seen.until(8) == [(1, 7), (1, 8)]
        assert (weights.stats.stale, weights.stats.vouched) == (2, 1)


def test_a_new_era_wins(redis: EmbeddedRedis, eventually: Eventually) -> None:
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take):
        publish(redis, weights_record(900), weights_record(2, era=2), weights_record(901))
        publish(redis, weights_record(3, era=2))
        assert seen.until(3) == [(1, 900), (2, 2), (2, 3)]


def test_every_release_is_followed(redis: EmbeddedRedis) -> None:
    publish(redis, weights_record(1, "checkout"), weights_record(2, "search"), weights_record(3, "other"))
    with Weights(redis.url, ["checkout", "search"]) as weights:
        assert weights.wait("search", 60).revision == 2
        assert weights.wait("checkout", 60).revision == 1
        assert weights.get("other") is None


def test_a_later_release_of_a_service_is_followed(redis: EmbeddedRedis, tmp_path: Path) -> None:
    publish(redis, weights_record(1, "checkout"), weights_record(2, "checkout.2"))
    with Weights(redis.url, ["checkout", "checkout.2"], cache=tmp_path) as weights:
        assert weights.wait("checkout.2", 10) == weights_record(2, "checkout.2")
    with Weights(absent_address(), ["checkout.2"], cache=tmp_path) as weights:
        assert weights.get("checkout.2") == weights_record(2, "checkout.2")


BAD_PAYLOADS = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"not json",
    encode(weights_record(100))[:-1],
    encode(msgspec.structs.replace(weights_record(100), weights={"v1": 9_999, "v2": 0})),
    encode(msgspec.structs.replace(weights_record(100), weights={"v1": 10_001, "v2": -1})),
    encode(msgspec.structs.replace(weights_record(100), weights={})),
    encode(msgspec.structs.replace(weights_record(100), targets={"v1": "v1"})),
    encode(weights_record(100)).replace(b"progressing", b"dancing"),
    encode(weights_record(100, release="search")),
]


@pytest.mark.parametrize("payload", BAD_PAYLOADS)
def test_a_bad_announcement_is_counted_and_ignored(
    redis: EmbeddedRedis, eventually: Eventually, payload: bytes
) -> None:
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        announce(redis, encode(weights_record(1)), payload, encode(weights_record(2)))
        assert seen.until(2) == [(1, 1), (1, 2)]
        assert weights.stats.invalid == 1


@pytest.mark.parametrize("payload", BAD_PAYLOADS)
def test_a_bad_key_is_counted_and_ignored(redis: EmbeddedRedis, eventually: Eventually, payload: bytes) -> None:
    write(redis, payload)
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        assert weights.stats.invalid == 1
        publish(redis, weights_record(2))
        assert seen.until(2) == [(1, 2)]


def newer(revision: int) -> bytes:
    """Weights as some later release of Trimtab may write them."""
    return msgspec.json.encode(msgspec.to_builtins(weights_record(revision)) | {"v": 99, "weights": [["v1", 1.0]]})


def test_the_last_weights_stay_where_newer_ones_are_of_a_newer_version(
    redis: EmbeddedRedis, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    publish(redis, weights_record(5))
    with connected(redis, eventually) as weights:
        announce(redis, newer(6), newer(7))
        eventually(lambda: weights.stats.newer == 2, what="both seen")
        assert weights.get("checkout") == weights_record(5)
        assert weights.stats.invalid == 0
        publish(redis, weights_record(8))
        eventually(lambda: weights.get("checkout") == weights_record(8), what="weights that can be read again")
    assert [record.getMessage() for record in caplog.records if "newer" in record.getMessage()] == [
        "weights_newer_version release=checkout version=99 known=2"
    ]


def test_waiting_for_weights_of_a_newer_version_says_what_would_help(redis: EmbeddedRedis) -> None:
    write(redis, newer(5))
    with (
        Weights(redis.url, ["checkout"]) as weights,
        pytest.raises(Unreachable, match="of a newer version: upgrade"),
    ):
        weights.wait("checkout", 0.5)


def test_a_key_of_another_type_is_counted_and_ignored(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Redis.from_url(redis.url) as client:
        client.set(weights_key("checkout"), "a string")
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        assert weights.stats.invalid == 1
        announce(redis, encode(weights_record(2)))
        assert seen.until(2) == [(1, 2)]


def test_no_revision_falls_between_the_key_and_the_channel(redis: EmbeddedRedis) -> None:
    stop, last = Event(), [0]

    def write_on() -> None:
        with Redis.from_url(redis.url) as client:
            while not stop.is_set():
                last[0] += 1
                payload = encode(weights_record(last[0]))
                client.hset(weights_key("checkout"), "weights", payload)
                client.publish(weights_channel("checkout"), payload)

    writer = Thread(target=write_on)
    writer.start()
    try:
        for _ in range(20):
            seen = Seen()
            with Weights(redis.url, ["checkout"], on_change=seen.take) as weights:
                first = weights.wait("checkout", 60).revision
                ids = list(seen.until(first + 50))
            start = ids.index((1, first))
            assert ids[start:] == [(1, revision) for revision in range(first, first + len(ids) - start)]
    finally:
        stop.set()
        writer.join()


def test_weights_outlive_a_redis_that_comes_back_empty(redis: EmbeddedRedis, eventually: Eventually) -> None:
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        publish(redis, weights_record(7))
        seen.until(7)
        redis.stop()
        eventually(lambda: not weights.connected, what="disconnected")
        assert weights.get("checkout") == weights_record(7)
        redis.start()
        eventually(lambda: weights.connected, what="connected again")
        assert weights.get("checkout") == weights_record(7)
        publish(redis, weights_record(6), weights_record(8))
        assert seen.until(8) == [(1, 7), (1, 8)]


def test_what_was_published_during_an_outage_is_read_after_it(redis: EmbeddedRedis, eventually: Eventually) -> None:
    seen = Seen()
    with connected(redis, eventually, on_change=seen.take) as weights:
        redis.stop()
        eventually(lambda: not weights.connected, what="disconnected")
        redis.start()
        write(redis, encode(weights_record(9)))
        with Redis.from_url(redis.url) as client:
            client.client_kill_filter(_type="pubsub")  # should it have been quicker than the line before
        assert seen.until(9) == [(1, 9)]


def test_a_connection_that_fell_silent_is_replaced(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with connected(redis, eventually) as weights:
        os.kill(redis.pid, signal.SIGSTOP)  # accepts connections and answers nothing, as a half-open one
        try:
            eventually(lambda: not weights.connected, what="the silence noticed")
        finally:
            os.kill(redis.pid, signal.SIGCONT)
        eventually(lambda: weights.connected, what="connected again")


def test_a_silent_redis_is_not_taken_for_a_broken_one(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with connected(redis, eventually) as weights, Redis.from_url(redis.url) as client:

        def pings() -> int:
            return int(client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))

        eventually(lambda: pings() >= 3, what="three pings")
        assert weights.stats.connects == 1
        assert weights.connected


def test_a_killed_connection_is_made_anew_at_once(
    redis: EmbeddedRedis, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.client.subscription._DEAD_AFTER_S", 3_600)  # so that it does not come of silence
    with connected(redis, eventually) as weights, Redis.from_url(redis.url) as client:
        client.client_kill_filter(_type="pubsub")
        eventually(lambda: weights.stats.connects == 2, what="a second connection")


def test_a_callback_that_raises_stops_nothing(
    redis: EmbeddedRedis, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    def stumble(record: WeightsRecord) -> None:
        seen.take(record)
        raise ZeroDivisionError

    with connected(redis, eventually, on_change=stumble) as weights:
        publish(redis, weights_record(1), weights_record(2))
        assert seen.until(2) == [(1, 1), (1, 2)]
        eventually(lambda: weights.stats.callback_failures == 2, what="both failures counted")
    assert "weights_callback_failed release=checkout" in caplog.text


def test_waiting_in_vain_names_the_release_and_the_address() -> None:
    url = absent_address().replace("redis://", "redis://user:secret@")
    with Weights(url, ["checkout"]) as weights, pytest.raises(Unreachable) as refusal:
        weights.wait("checkout", 0.1)
    assert str(refusal.value).startswith("release checkout: no weights from 127.0.0.1:")
    assert "not connected" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_waiting_in_vain_on_a_redis_that_answers_says_so(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with (
        connected(redis, eventually) as weights,
        pytest.raises(Unreachable, match="connected, but none published"),
    ):
        weights.wait("checkout", 0.05)


def test_waiting_for_a_release_that_is_not_followed_is_refused() -> None:
    with (
        Weights(absent_address(), ["checkout"]) as weights,
        pytest.raises(ValueError, match="expected one of checkout"),
    ):
        weights.wait("search", 5)


def test_closing_does_not_wait_for_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_WAIT_S", "_LONGEST_WAIT_S"):
        monkeypatch.setattr(f"trimtab.client.weights.{name}", 3_600)
    weights = Weights(absent_address(), ["checkout"])
    weights.close()
    weights.close()
    assert not {thread.name for thread in threading.enumerate()} & {"trimtab weights", "trimtab weights age"}


def test_a_callback_may_close(redis: EmbeddedRedis, eventually: Eventually) -> None:
    opened: Queue[Weights] = Queue()
    closed = Event()

    def close(_record: WeightsRecord) -> None:
        opened.get().close()
        closed.set()

    with connected(redis, eventually, on_change=close) as weights:
        opened.put(weights)
        publish(redis, weights_record(1))
        assert closed.wait(60)


def test_a_server_that_is_no_redis_is_survived(eventually: Eventually) -> None:
    greetings = 0

    def greet(listener: socket.socket) -> None:
        nonlocal greetings
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                greetings += 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=greet, args=(listener,))
        thread.start()
        with Weights(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", ["checkout"]) as weights:
            eventually(lambda: greetings >= 4, what="tried again")
            assert not weights.connected
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "releases", [[], "checkout", ["../etc"], ["Checkout"], [""], ["a\n"], ["checkout", "x/y"], ["a.b.c"], ["a."]]
)
def test_releases_that_have_no_proper_names_are_refused(releases: list[str]) -> None:
    with pytest.raises(ValueError, match="release"):
        Weights("redis://127.0.0.1:1/0", releases)


def test_the_cache_gives_the_last_weights_without_redis(redis: EmbeddedRedis, tmp_path: Path) -> None:
    publish(redis, weights_record(4), weights_record(5))
    folder, seen = tmp_path / "deep" / "cache", Seen()
    with Weights(redis.url, ["checkout"], cache=folder) as weights:
        weights.wait("checkout", 60)
    redis.stop()
    with Weights(redis.url, ["checkout"], cache=folder, on_change=seen.take) as weights:
        assert weights.get("checkout") == weights_record(5)
        assert seen.until(5) == [(1, 5)]
        assert not weights.connected


def test_redis_cannot_take_a_subscriber_behind_its_cache(
    redis: EmbeddedRedis, eventually: Eventually, tmp_path: Path
) -> None:
    (tmp_path / "checkout.json").write_bytes(encode(weights_record(50)))
    publish(redis, weights_record(49))
    with connected(redis, eventually, cache=tmp_path) as weights:
        assert weights.get("checkout") == weights_record(50)
        assert weights.stats.stale == 1


def test_the_cache_holds_one_whole_file_per_release(
    redis: EmbeddedRedis, eventually: Eventually, tmp_path: Path
) -> None:
    seen = Seen()
    with connected(redis, eventually, cache=tmp_path, on_change=seen.take):
        publish(redis, *map(weights_record, range(1, 20)))
        seen.until(19)
    assert [path.name for path in tmp_path.iterdir()] == ["checkout.json"]
    assert (tmp_path / "checkout.json").read_bytes() == encode(weights_record(19))


@pytest.mark.parametrize("payload", [*BAD_PAYLOADS, newer(100)])
def test_a_bad_cache_file_is_counted_and_ignored(tmp_path: Path, payload: bytes) -> None:
    (tmp_path / "checkout.json").write_bytes(payload)
    with Weights(absent_address(), ["checkout"], cache=tmp_path) as weights:
        assert weights.get("checkout") is None
        assert weights.stats.invalid == 1


def test_a_folder_in_the_place_of_a_cache_file_is_survived(
    redis: EmbeddedRedis, eventually: Eventually, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "checkout.json").mkdir()
    with connected(redis, eventually, cache=tmp_path) as weights:
        publish(redis, weights_record(1), weights_record(2))
        eventually(lambda: weights.stats.cache_failures == 2, what="both failures counted")
        assert weights.get("checkout") == weights_record(2)
    assert [path.name for path in tmp_path.iterdir()] == ["checkout.json"]
    assert caplog.text.count("weights_cache_failed release=checkout") == 1
