import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from trimtab.control.demo import traffic
from trimtab.control.demo.ledger import Exchange, Ledger
from trimtab.control.demo.traffic import OnOutcome, Traffic, read_answer, routing_key
from trimtab.schemas.telemetry import RoutingKey

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]
STAMP = {"x-trimtab-release": "checkout", "x-trimtab-variant": "v2", "x-trimtab-revision": "7.42"}


def sent(
    respond: Respond, *, rps: float = 200, duration_s: float = 0.5, on_outcome: OnOutcome | None = None
) -> list[Exchange]:
    """Sends traffic to a real server on this machine, and gives what was written down of it."""

    async def scenario() -> list[Exchange]:
        app = web.Application()
        app.router.add_get("/", respond)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        book = Ledger()
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            await Traffic(url, book, rps=rps, seed=1, on_outcome=on_outcome).send(duration_s)
        finally:
            await runner.cleanup()
        return book.exchanges

    return asyncio.run(scenario())


async def good(_: web.Request) -> web.Response:
    return web.json_response({"version": "v2", "converted": True}, headers=STAMP)


def test_requests_arrive_at_the_rate_that_was_asked_for() -> None:
    seen = sent(good, rps=200, duration_s=1.0)
    assert 150 < len(seen) < 250
    assert all(one.sent_s >= 0.0 for one in seen)


def test_arrivals_are_the_same_for_the_same_seed() -> None:
    assert len(sent(good, rps=300)) == len(sent(good, rps=300))


def test_a_good_response_is_written_down_as_its_body_says() -> None:
    (variant, status, converted, failed) = {
        (one.variant, one.status, one.converted, one.failed) for one in sent(good, rps=50)
    }.pop()
    assert (variant, status, converted, failed) == ("v2", 200, True, False)


def test_an_error_is_written_down_for_the_variant_that_the_proxy_names() -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.json_response({"version": "v9"}, status=500, headers=STAMP)

    assert {(one.variant, one.status, one.converted) for one in sent(broken, rps=50)} == {("v2", 500, False)}


def test_latency_is_what_the_client_waited() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.1)
        return await good(request)

    seen = sent(slow, rps=20)
    assert seen
    assert all(one.latency_ms >= 100 for one in seen)


def test_a_slow_service_does_not_hold_arrivals_back() -> None:
    waiting, enough = 0, asyncio.Event()

    async def patient(request: web.Request) -> web.Response:
        nonlocal waiting
        waiting += 1
        if waiting == 20:
            enough.set()
        await enough.wait()
        return await good(request)

    seen = sent(patient, rps=100, duration_s=0.5)
    assert len(seen) > 20
    assert not any(one.failed for one in seen)


def test_silence_ends_with_the_timeout_and_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "TIMEOUT_S", 0.2)

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    seen = sent(silent, rps=20)
    assert seen
    assert {(one.variant, one.status, one.failed) for one in seen} == {("", 0, True)}


def test_a_connection_that_breaks_off_counts_as_failed() -> None:
    async def rude(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert {(one.status, one.failed) for one in sent(rude, rps=20)} == {(0, True)}


def test_nobody_listening_counts_as_failed() -> None:
    book = Ledger()
    asyncio.run(Traffic("http://127.0.0.1:9/", book, rps=50, seed=1).send(0.2))
    assert book.exchanges
    assert all(one.failed for one in book.exchanges)


def test_outcomes_are_told_with_the_weights_that_routed_them() -> None:
    told: list[tuple[RoutingKey, bool]] = []
    seen = sent(good, rps=50, on_outcome=lambda key, converted: told.append((key, converted)))
    assert len(told) == len(seen)
    assert set(told) == {(RoutingKey("checkout", "v2", "", 7, 42), True)}


def test_errors_have_no_outcome() -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.json_response({}, status=503, headers=STAMP)

    told: list[bool] = []
    assert sent(broken, rps=50, on_outcome=lambda _, converted: told.append(converted))
    assert told == []


def test_cancelled_traffic_leaves_no_request_behind() -> None:
    async def scenario() -> tuple[int, int]:
        app, asked = web.Application(), asyncio.Event()

        async def silent(_: web.Request) -> web.Response:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        app.router.add_get("/", silent)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        source = Traffic(f"http://127.0.0.1:{runner.addresses[0][1]}/", Ledger(), rps=1000, seed=1)
        sending = asyncio.create_task(source.send(60.0))
        await asked.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        left = [task for task in asyncio.all_tasks() if "Traffic" in repr(task.get_coro())]
        await runner.cleanup()
        return source.pending, len(left)

    assert asyncio.run(scenario()) == (0, 0)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"version": "v1"}', b'{"version": 1, "converted": true}'])
def test_a_good_response_that_says_nothing_useful_is_the_proxys_to_tell(body: bytes) -> None:
    assert read_answer(200, STAMP, body) == ("v2", None)


@pytest.mark.parametrize("revision", ["", "7", "7.x", "x.7", "1.2.3"])
def test_a_response_without_a_revision_has_no_key(revision: str) -> None:
    assert routing_key({**STAMP, "x-trimtab-revision": revision}) is None


def test_a_response_that_no_sidecar_routed_has_no_key() -> None:
    assert routing_key({}) is None
