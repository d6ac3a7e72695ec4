import asyncio
import json
import socket
from collections.abc import Callable

import aiohttp
import pytest

from trimtab.schemas.address import Address
from trimtab.streams.health import Health, Unserved

LOOPBACK = Address("127.0.0.1", 0)
Answer = tuple[int, dict[str, object]]


def ask(health: Health, path: str) -> Answer:
    async def asked() -> Answer:
        address = await health.serve(LOOPBACK)
        try:
            async with (
                aiohttp.ClientSession() as client,
                client.get(f"http://127.0.0.1:{address.port}{path}") as answer,
            ):
                return answer.status, json.loads(await answer.text())
        finally:
            await health.close()

    return asyncio.run(asyncio.wait_for(asked(), 60))


def fine() -> str:
    return ""


def away() -> str:
    return "no answer within 3 s"


def test_a_worker_whose_conditions_are_met_is_ready() -> None:
    status, body = ask(Health({"moving": fine}, {"redis": fine}), "/readyz")
    assert (status, body) == (200, {"ok": True, "conditions": {"moving": {"met": True}, "redis": {"met": True}}})


def test_readiness_lists_every_condition_and_says_why_one_is_not_met() -> None:
    status, body = ask(Health({"moving": fine}, {"redis": away, "kafka": fine}), "/readyz")
    assert (status, body["ok"]) == (503, False)
    assert body["conditions"] == {
        "moving": {"met": True},
        "redis": {"met": False, "reason": "no answer within 3 s"},
        "kafka": {"met": True},
    }


def test_a_worker_that_is_not_ready_is_alive() -> None:
    assert ask(Health({"moving": fine}, {"redis": away}), "/livez")[0] == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_worker_that_stands_still_is_neither_alive_nor_ready(path: str) -> None:
    assert ask(Health({"moving": away}, {"redis": fine}), path)[0] == 503


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def serve() -> None:
            health = Health({}, {})
            try:
                await health.serve(Address("127.0.0.1", port))
            finally:
                await health.close()

        with pytest.raises(Unserved, match=rf"health at 127\.0\.0\.1:{port}: .*in use"):
            asyncio.run(serve())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        (":0", Address("127.0.0.1", 0)),
        ("[::1]:80", Address("::1", 80)),
        ("0.0.0.0:9", Address("0.0.0.0", 9)),  # noqa: S104 - parsed, not listened on
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "8080", "localhost", "localhost:", "localhost:http", "localhost:65536", "a:-1", "a:²"]
)
def test_what_is_no_address_is_refused_with_what_was_expected(text: str) -> None:
    parse: Callable[[str], Address] = Address.parse
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        parse(text)
