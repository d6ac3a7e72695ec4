"""One run of the demo, from the first process to the verdict."""

import asyncio
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live

from trimtab.client import RoutingKey, Telemetry
from trimtab.control.demo.cast import Cast
from trimtab.control.demo.chronicle import Chronicle, Note
from trimtab.control.demo.feed import Feed
from trimtab.control.demo.interrupt import Interrupt
from trimtab.control.demo.ledger import Ledger
from trimtab.control.demo.lines import Lines
from trimtab.control.demo.options import DemoOptions
from trimtab.control.demo.release import RELEASE, release_text
from trimtab.control.demo.report import report
from trimtab.control.demo.scenario import VARIANTS, story
from trimtab.control.demo.system import System
from trimtab.control.demo.traffic import OnOutcome, Traffic
from trimtab.control.demo.verdict import judge
from trimtab.control.demo.view import Picture

_FRAME_S: Final = 0.2
"""Between two pictures, and between two looks at signals, processes and decisions."""

_END_S: Final = 5.0
"""How long requests that are abandoned may take to end."""

_SUCCESS: Final = "success"


def play(options: DemoOptions, console: Console, interrupt: Interrupt) -> int:
    """Plays one run, and gives its exit code: 0 where it ended as its scenario should, else 1.

    Raises `Interrupted` after a signal, `Unreachable` and `OSError` where something could not be started or ended on
    its own. Whichever it is, no process and no file is left.
    """
    with (
        tempfile.TemporaryDirectory(prefix="trimtab-demo-") as folder,
        System(options, cast_of(options), Path(folder), console, interrupt.check) as system,
    ):
        system.start()
        if system.console:
            console.print(f"    {system.console}/#/releases/{RELEASE}", soft_wrap=True, highlight=False)
        run = Run(options, console, interrupt, system)
        asyncio.run(run.live())
        verdict = judge(options, story(options), run.chronicle.newest, run.ledger)
        console.print(report(options, verdict, run.ledger))
        linger(console, interrupt, system)
    return 0 if verdict.succeeded else 1


def cast_of(options: DemoOptions) -> Cast:
    """Gives the cast of a run: three versions of a service."""
    numbers = map(str, (options.rps, options.duration_s, options.seed))
    settings = (options.scenario, options.strategy, *numbers)
    services = {name: ("-m", "trimtab.control.demo.variant", name, *settings) for name in VARIANTS}
    return Cast(
        release=RELEASE,
        text=release_text(options),
        services=services,
        scene=f"three versions of a service: {', '.join(VARIANTS)}",
        plot=f"release {RELEASE}: {options.strategy}",
    )


def linger(console: Console, interrupt: Interrupt, system: System) -> None:
    """Keeps everything up for those who look at the console, until a signal comes; where there is none, tells of it."""
    if not system.console:
        console.print("All of it in a browser: trimtab demo --console", highlight=False)
        return
    console.print(f"The console stays until Ctrl-C: {system.console}", soft_wrap=True, highlight=False)
    while interrupt.exit_code is None:
        system.mend()
        time.sleep(_FRAME_S)


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
        with (
            Telemetry(self._system.kafka, publisher="demo-visitors") as telemetry,
            Feed(self._system.redis, RELEASE, self.chronicle) as feed,
        ):
            traffic = Traffic(
                self._system.url, self.ledger, rps=self._options.rps, seed=self._options.seed,
                on_outcome=self._on_outcome(telemetry),
            )  # fmt: skip
            sending = asyncio.create_task(traffic.send(self._options.duration_s))
            try:
                await self._show(traffic, feed, sending)
            finally:
                sending.cancel()
                await asyncio.wait([sending], timeout=_END_S)
            sending.result()

    def _on_outcome(self, telemetry: Telemetry) -> OnOutcome | None:
        metric = story(self._options).objective
        if metric == _SUCCESS:
            return None

        def publish(key: RoutingKey, converted: bool) -> None:  # noqa: FBT001 - a callback's argument
            telemetry.outcome(key, metric, float(converted))

        return publish

    async def _show(self, traffic: Traffic, feed: Feed, sending: "asyncio.Task[None]") -> None:
        lines = Lines(self.chronicle, self._print)
        with self._screen() as live:
            while not sending.done():
                await asyncio.wait([sending], timeout=_FRAME_S)
                self._interrupt.check()
                self._mend(traffic.elapsed_s)
                feed.look(traffic.elapsed_s)
                if live:
                    live.update(self._picture(traffic), refresh=True)
                else:
                    lines.update(traffic.elapsed_s)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _mend(self, elapsed_s: float) -> None:
        if mended := self._system.mend():
            self.chronicle.note(Note(elapsed_s, mended))
            if not self._has_screen:
                self._print(f"{elapsed_s:6.1f} s  {mended}")

    @property
    def _has_screen(self) -> bool:
        return self._console.is_terminal and not self._options.plain

    def _picture(self, traffic: Traffic) -> Picture:
        console = self._system.console
        return Picture(self._options, traffic.elapsed_s, self.chronicle, self.ledger, traffic.pending, console)

    def _screen(self) -> AbstractContextManager[Live | None]:
        return Live(console=self._console, screen=True, auto_refresh=False) if self._has_screen else nullcontext()
