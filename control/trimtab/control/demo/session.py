"""One run of the demo, from the first process to the verdict."""

import asyncio
import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError
from rich.console import Console
from rich.live import Live
from trimtab.client import RoutingKey, Telemetry
from trimtab.control.demo.chronicle import Chronicle, Note
from trimtab.control.demo.feed import Feed
from trimtab.control.demo.interrupt import Interrupt
from trimtab.control.demo.ledger import Ledger
from trimtab.control.demo.lines import Lines
from trimtab.control.demo.options import DemoOptions
from trimtab.control.demo.release import RELEASE
from trimtab.control.demo.report import report
from trimtab.control.demo.scenario import story
from trimtab.control.demo.system import System
from trimtab.control.demo.traffic import OnOutcome, Traffic
from trimtab.control.demo.verdict import judge
from trimtab.control.demo.view import Picture

_FRAME_S: Final = 0.25
"""Between two pictures, and between two looks at signals and processes."""

_SUCCESS: Final = "success"


def play(options: DemoOptions, console: Console, interrupt: Interrupt) -> int:
    """Plays one run, and gives its exit code: 0 where it ended as its scenario should, else 1.

    Raises `Interrupted` after a signal, `Unreachable` and `OSError` where something could not be started or ended on
    its own. Whichever it is, no process and no file is left.
    """
    with (
        tempfile.TemporaryDirectory(prefix="trimtab-demo-") as folder,
        System(options, Path(folder), console, interrupt.check) as system,
    ):
        system.start()
        run = Run(options, console, interrupt, system)
        asyncio.run(run.live())
        verdict = judge(options, story(options), run.chronicle.newest, run.ledger)
        console.print(report(options, verdict, run.ledger))
    return 0 if verdict.succeeded else 1


class Run:
    """The traffic of one run, with everything that watches it."""

    def __init__(self, options: DemoOptions, console: Console, interrupt: Interrupt, system: System) -> None:
        self._options = options
        self._console = console
        self._interrupt = interrupt
        self._system = system
        self.ledger = Ledger()
        self.chronicle = Chronicle()

    async def live(self) -> None:
        """Sends the traffic and shows what comes of it, until the time is over."""
        with Telemetry(self._system.kafka, publisher="demo-visitors") as telemetry:
            traffic = Traffic(
                self._system.url, self.ledger, rps=self._options.rps, seed=self._options.seed,
                on_outcome=self._on_outcome(telemetry),
            )  # fmt: skip
            feed = Feed(self._system.redis, RELEASE, self.chronicle, lambda: traffic.elapsed_s)
            sending = asyncio.create_task(traffic.send(self._options.duration_s))
            following = asyncio.create_task(feed.follow())
            try:
                await self._show(traffic, sending, following)
            finally:
                await _end(sending, following)
            with suppress(RedisError):
                await feed.look()

    def _on_outcome(self, telemetry: Telemetry) -> OnOutcome | None:
        metric = story(self._options).objective
        if metric == _SUCCESS:
            return None

        def publish(key: RoutingKey, converted: bool) -> None:  # noqa: FBT001 - a callback's argument
            telemetry.outcome(key, metric, float(converted))

        return publish

    async def _show(self, traffic: Traffic, sending: "asyncio.Task[None]", following: "asyncio.Task[None]") -> None:
        lines = Lines(self.chronicle, lambda text: self._console.print(text, highlight=False, soft_wrap=True))
        with self._screen() as live:
            while not sending.done():
                self._interrupt.check()
                self._mend(traffic.elapsed_s)
                if live:
                    live.update(self._picture(traffic), refresh=True)
                else:
                    lines.update(traffic.elapsed_s)
                await asyncio.wait([sending, following], timeout=_FRAME_S, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
        sending.result()

    def _mend(self, elapsed_s: float) -> None:
        if mended := self._system.mend():
            self.chronicle.note(Note(elapsed_s, mended))

    def _picture(self, traffic: Traffic) -> Picture:
        return Picture(self._options, traffic.elapsed_s, self.chronicle, self.ledger, traffic.pending)

    def _screen(self) -> AbstractContextManager[Live | None]:
        if self._options.plain or not self._console.is_terminal:
            return nullcontext()
        return Live(console=self._console, screen=True, auto_refresh=False)


async def _end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
