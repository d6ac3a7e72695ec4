"""HTTP in the background of a test: services that answer, visitors that ask. One event loop in a thread of its own."""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web

Result = TypeVar("Result")

_CALL_S = 100
_SLOW_S = 30
_VISITORS = 4
_PAUSE_S = 0.005
_PATIENCE_S = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got, or the error instead; `sent_s` and `came_s` are on the monotonic clock."""

    sent_s: float
    came_s: float
    status: int
    service: str = ""
    variant: str = ""
    revision: str = ""
    release: str = ""
    error: str = ""

    @property
    def is_good(self) -> bool:
        return self.status == 200 and self.service == self.variant


@dataclass
class Visit:
    """The answers of visitors who come again and again while it lasts."""

    answers: list[Answer] = field(default_factory=list)
    is_over: bool = False

    def since(self, moment_s: float) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.sent_s >= moment_s]


class World:
    """The event loop, and what runs on it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="world", daemon=True)
        self._runners: list[web.AppRunner] = []
        self.seen: dict[str, list[dict[str, str]]] = {}
        """service -> the headers of the requests that it got, by lower-case names"""

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_S)

    def serve(self, name: str) -> int:
        """Starts a service that answers with its name, and gives its port."""
        return self.call(self._serve(name))

    def ask(self, port: int, count: int, path: str = "/", **headers: str) -> list[Answer]:
        """Asks `count` times."""
        return self.call(_ask(port, count, path, headers))

    @contextmanager
    def visit(self, port: int, path: str = "/", *, patience_s: float = _PATIENCE_S) -> Iterator[Visit]:
        """Has visitors ask without end, each over a connection that it keeps.

        At the end each has its last answer, or leaves without one when patience is over.
        """
        visit = Visit()
        tasks = self.call(_set_out(port, path, visit))
        try:
            yield visit
        finally:
            self.call(_call_home(visit, tasks, patience_s))

    async def _serve(self, name: str) -> int:
        app = web.Application()
        app.router.add_get("/{path:.*}", _Service(name, self.seen.setdefault(name, [])).answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    async def _close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Service:
    """Answers with its name; slowly, otherwise or not at all where the path says so."""

    def __init__(self, name: str, seen: list[dict[str, str]]) -> None:
        self._name, self._seen = name, seen

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._seen.append({name.lower(): value for name, value in request.headers.items()})
        if request.path == "/slow":
            await asyncio.sleep(_SLOW_S)
        if request.path == "/reset" and request.transport is not None:
            request.transport.abort()
        if request.path.endswith("/infer"):  # a model server, that says what the visitor wants to hear
            blanks = " " * int(request.headers.get("x-blanks", "0"))
            return web.Response(text=request.headers["x-answer"] + blanks, content_type=request.headers["x-type"])
        if request.path == "/error":
            return web.Response(status=500, text=self._name)
        return web.Response(text=self._name)


async def _ask(port: int, count: int, path: str, headers: dict[str, str]) -> list[Answer]:
    async with aiohttp.ClientSession() as session:
        return [await _ask_once(session, port, path, headers) for _ in range(count)]


async def _set_out(port: int, path: str, visit: Visit) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(_come_again(port, path, visit)) for _ in range(_VISITORS)]


async def _come_again(port: int, path: str, visit: Visit) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        while not visit.is_over:
            visit.answers.append(await _ask_once(session, port, path, {}))
            await asyncio.sleep(_PAUSE_S)  # the pace of a visitor


async def _call_home(visit: Visit, tasks: list[asyncio.Task[None]], patience_s: float) -> None:
    visit.is_over = True
    _, waiting = await asyncio.wait(tasks, timeout=patience_s)
    for task in waiting:
        task.cancel()
    await asyncio.wait(tasks)


async def _ask_once(session: aiohttp.ClientSession, port: int, path: str, headers: dict[str, str]) -> Answer:
    sent_s = time.monotonic()
    try:
        async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response:
            service = await response.text()
            told = response.headers
            return Answer(
                sent_s, time.monotonic(), response.status, service, told.get("x-trimtab-variant", ""),
                told.get("x-trimtab-revision", ""), told.get("x-trimtab-release", ""),
            )  # fmt: skip
    except (aiohttp.ClientError, OSError) as error:
        return Answer(sent_s, time.monotonic(), 0, error=repr(error))
