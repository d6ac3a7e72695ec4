"""Open-loop Poisson arrivals: a slow response does not hold the next request back, as with real visitors."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp

TIMEOUT_S: Final = 3.0
"""How long a client waits for its response."""

Ask = Callable[[aiohttp.ClientSession], Awaitable[None]]
"""Makes one request, and writes down what came of it."""


class Arrivals:
    """Calls `ask` at random instants, `rps` times a second on average; the same instants for the same seed."""

    def __init__(self, ask: Ask, *, rps: float, seed: int, timeout_s: float = TIMEOUT_S) -> None:
        self._ask = ask
        self.rps = rps
        """from the next request on"""
        self._timeout_s = timeout_s
        self._generator = random.Random(f"{seed}:arrivals")  # noqa: S311 - a seeded simulation, not a secret
        self._pending: set[asyncio.Future[None]] = set()
        self._started = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first instant; 0 before."""
        return time.monotonic() - self._started if self._started else 0.0

    @property
    def pending(self) -> int:
        """Requests under way."""
        return len(self._pending)

    async def send(self, duration_s: float) -> None:
        """Sends for `duration_s`, then waits for the last responses. Cancelled, it leaves no request behind."""
        self._started = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            try:
                await self._arrive(session, duration_s)
                await asyncio.gather(*self._pending)
            finally:
                await self._abandon()

    async def _arrive(self, session: aiohttp.ClientSession, duration_s: float) -> None:
        due_s = self._generator.expovariate(self.rps)
        while due_s < duration_s:
            await asyncio.sleep(max(0.0, due_s - self.elapsed_s))
            task = asyncio.ensure_future(self._ask(session))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
            due_s += self._generator.expovariate(self.rps)

    async def _abandon(self) -> None:
        left = list(self._pending)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
