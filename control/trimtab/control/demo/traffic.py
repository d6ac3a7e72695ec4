"""Real requests through the proxy, each one recorded."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import aiohttp
import msgspec

from trimtab.control.demo.arrivals import TIMEOUT_S, Arrivals
from trimtab.control.demo.ledger import Exchange, Ledger
from trimtab.schemas.telemetry import RoutingKey
from trimtab.sidecar.envoy.release_routes import HEADER_RELEASE, HEADER_REVISION, HEADER_VARIANT

OnOutcome = Callable[[RoutingKey, bool], None]
"""Told of each response that says whether its visitor converted."""


class _Body(msgspec.Struct):
    """What a variant answers."""

    version: str
    converted: bool


_decode: Final = msgspec.json.Decoder(_Body).decode


class Traffic:
    """Sends requests to `url` at random instants, `rps` a second on average, and writes down what comes of each."""

    def __init__(self, url: str, ledger: Ledger, *, rps: float, seed: int, on_outcome: OnOutcome | None = None) -> None:
        self._url = url
        self._ledger = ledger
        self._on_outcome = on_outcome
        self._arrivals = Arrivals(self._request, rps=rps, seed=seed, timeout_s=TIMEOUT_S)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first instant; 0 before."""
        return self._arrivals.elapsed_s

    @property
    def pending(self) -> int:
        """Requests under way."""
        return self._arrivals.pending

    async def send(self, duration_s: float) -> None:
        """Sends for `duration_s`, then waits for the last responses. Cancelled, it leaves no request behind."""
        await self._arrivals.send(duration_s)

    async def _request(self, session: aiohttp.ClientSession) -> None:
        sent_s = self.elapsed_s
        try:
            async with session.get(self._url) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError):
            self._ledger.add(Exchange(sent_s, (self.elapsed_s - sent_s) * 1000, "", 0, converted=False))
            return
        latency_ms = (self.elapsed_s - sent_s) * 1000
        variant, converted = read_answer(response.status, response.headers, body)
        self._ledger.add(Exchange(sent_s, latency_ms, variant, response.status, converted is True))
        key = routing_key(response.headers)
        if self._on_outcome and key and converted is not None:
            self._on_outcome(key, converted)


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> tuple[str, bool | None]:
    """Gives which variant answered, and whether the visitor converted; None where the response does not say.

    A good response says it itself; of anything else the proxy's header tells whose it was.
    """
    try:
        answer = _decode(body) if status == HTTPStatus.OK else None
    except msgspec.DecodeError:
        answer = None
    return (answer.version, answer.converted) if answer else (headers.get(HEADER_VARIANT, ""), None)


def routing_key(headers: Mapping[str, str]) -> RoutingKey | None:
    """Gives what the proxy says of where it routed a request; None where it does not say."""
    try:
        era, revision = headers[HEADER_REVISION].split(".")
        return RoutingKey(headers[HEADER_RELEASE], headers[HEADER_VARIANT], "", int(era), int(revision))
    except (KeyError, ValueError):
        return None
