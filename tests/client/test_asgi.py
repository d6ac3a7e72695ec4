"""The middleware in a real FastAPI app under a real server: variants, headers, cookies, and every event on Kafka."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from client.test_weights import publish
from conftest import Eventually
from sidecar.kafka_events import read_events, read_to_end
from trimtab.client import Assignment, Phase, WeightsRecord
from trimtab.client.asgi import Trimtab
from trimtab.client.token import read_token
from trimtab.schemas.decision import Sticky
from trimtab.schemas.stickiness import bucket_of
from trimtab.schemas.telemetry import Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration


def weights(v2: int, revision: int = 7, **more: Any) -> WeightsRecord:
    return WeightsRecord(
        release="checkout", era=9, revision=revision, time_ms=0, phase=Phase.PROGRESSING, baseline="v1",
        weights={"v1": 10_000 - v2, "v2": v2}, targets={"v1": "v1", "v2": "v2"}, **more,
    )  # fmt: skip


def service(**options: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(Trimtab, release="checkout", default="v1", **options)

    @app.get("/")
    async def answer(request: Request) -> Response:
        got: Assignment = request.state.trimtab
        return Response(got.variant)

    @app.get("/error")
    async def fail() -> Response:
        raise RuntimeError("a fault of the service")

    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The app under a server of its own, in a thread; gives the URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # who comes before the server is ready waits
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


Got = tuple[int, str, dict[str, str]]
"""status, text and headers of an answer"""


def ask(url: str, count: int = 1, headers: dict[str, str] | None = None) -> list[Got]:
    """Asks `count` times as one visitor, who keeps cookies."""

    async def asked() -> list[Got]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            got = []
            for _ in range(count):
                async with session.get(url, headers=headers) as response:
                    got.append((response.status, await response.text(), dict(response.headers)))
            return got

    return asyncio.run(asked())


def is_routed(answer: Got) -> bool:
    """Whether weights have routed it, and not the default."""
    return answer[2]["x-trimtab-revision"] == "9.7"


def test_requests_get_variants_and_all_of_it_is_told(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    publish(redis, weights(5_000))
    with serving(service(kafka=kafka.bootstrap, redis=redis.url)) as url:
        before_ms = time.time_ns() // 1_000_000
        asked: list[Got] = []

        def is_followed() -> bool:
            asked.extend(ask(url))
            return is_routed(asked[-1])

        eventually(is_followed, what="the weights")
        answers = [answer for answer in (*asked, *ask(url, 60)) if is_routed(answer)]
    assert {status for status, _, _ in answers} == {200}
    assert {text for _, text, _ in answers} == {"v1", "v2"}
    assert all(headers["x-trimtab-variant"] == text for _, text, headers in answers)
    token = read_token(answers[0][2]["x-trimtab-token"])
    assert token.key.revision == 7
    assert token.started_ms >= before_ms
    # Closing the server closed what the middleware had opened, and so sent the last events.
    events = [event for event in read_to_end(kafka.bootstrap) if event.key.revision == 7]
    told = Counter((event.kind, event.key.variant) for event in events)
    seen = Counter(text for _, text, _ in answers)
    assert told == {(kind, name): count for kind in (Kind.REQUEST, Kind.RESPONSE) for name, count in seen.items()}
    ended = [event for event in events if event.kind is Kind.RESPONSE]
    assert {(event.status, event.size) for event in ended} == {(200, 2)}
    assert all(event.duration_ms > 0 for event in ended)


def test_before_any_weights_there_is_the_default(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with serving(service(kafka=kafka.bootstrap, redis=redis.url)) as url:
        assert [text for _, text, _ in ask(url, 5)] == ["v1"] * 5


def test_an_error_that_nobody_answers_is_one_of_the_variant(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with serving(service(kafka=kafka.bootstrap, redis=redis.url)) as url:
        assert ask(f"{url}/error")[0][0] == 500
    [ended] = [event for event in read_events(kafka.bootstrap, 2) if event.kind is Kind.RESPONSE]
    assert (ended.status, ended.key.variant) == (500, "v1")


def test_a_visitor_keeps_a_cookie_and_a_variant(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    sticky: dict[str, Any] = {
        "sticky": Sticky(seed="s", cookie="visitor"),
        "ranges": {"": [("v1", 5_000), ("v2", 5_000)]},
    }
    publish(redis, weights(5_000, **sticky))
    with serving(service(kafka=kafka.bootstrap, redis=redis.url, cookie="visitor")) as url:
        eventually(lambda: ask(url)[0][2].get("x-trimtab-revision") == "9.7", what="the weights")
        visits = [ask(url, 4) for _ in range(20)]
    for visit in visits:
        assert len({text for _, text, _ in visit}) == 1
        cookie = visit[0][2]["Set-Cookie"]
        assert all("Set-Cookie" not in headers for _, _, headers in visit[1:])
        value = cookie.partition("=")[2].partition(";")[0]
        assert visit[0][1] == ("v1" if bucket_of("s", value) < 5_000 else "v2")
    assert {visit[0][1] for visit in visits} == {"v1", "v2"}


def test_a_key_of_the_service_decides(redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually) -> None:
    def user(scope: Any) -> str | None:
        return dict(scope["headers"]).get(b"x-user", b"").decode() or None

    publish(redis, weights(5_000))
    with serving(service(kafka=kafka.bootstrap, redis=redis.url, key=user)) as url:
        eventually(lambda: ask(url)[0][2].get("x-trimtab-revision") == "9.7", what="the weights")
        for name in ("ann", "bob", "kim", "pat"):
            [variant] = {text for _, text, _ in ask(url, 5, {"x-user": name})}
            assert variant == ("v1" if bucket_of("checkout", name) < 5_000 else "v2")


def test_what_takes_no_part_is_not_told(redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually) -> None:
    publish(redis, weights(10_000, condition="has header X-In"))
    with serving(service(kafka=kafka.bootstrap, redis=redis.url)) as url:
        eventually(lambda: ask(url, headers={"X-In": "1"})[0][1] == "v2", what="the weights")
        out = ask(url, 10)
    assert {text for _, text, _ in out} == {"v1"}
    assert not [name for _, _, headers in out for name in headers if name.startswith("x-trimtab")]


def test_a_cookie_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(ValueError, match="cookie: expected a name of letters, digits"):
        Trimtab(service(kafka="k:1", redis="redis://r"), release="checkout", default="v1", cookie="a b")


def test_a_visitor_is_recognised_in_one_way_and_the_default_is_a_variant() -> None:
    with pytest.raises(ValueError, match="expected either a cookie or a key"):
        Trimtab(FastAPI(), release="checkout", default="v1", cookie="visitor", key=lambda _: "ann")
    with pytest.raises(ValueError, match="default '': expected a variant"):
        Trimtab(FastAPI(), release="checkout", default="")
