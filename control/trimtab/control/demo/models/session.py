"""One run of the scenario `models`, from the first process to the verdict on its acts."""

import asyncio
import math
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from trimtab.client import Labels
from trimtab.control.demo.cast import Cast
from trimtab.control.demo.chronicle import Chronicle
from trimtab.control.demo.feed import Feed
from trimtab.control.demo.interrupt import Interrupt
from trimtab.control.demo.models.acts import ENSEMBLE, MEMBERS, NAMES, RELEASE, Act, acts
from trimtab.control.demo.models.catalogued import settings_with_catalogue
from trimtab.control.demo.models.findings import Finding, Scene, find
from trimtab.control.demo.models.visitors import Visitors
from trimtab.control.demo.models.zoo import digits
from trimtab.control.demo.options import DemoOptions
from trimtab.control.demo.session import linger
from trimtab.control.demo.system import System
from trimtab.schemas.decision import Decision

_LOOK_S: Final = 0.2
_SETTLES_S: Final = 1.0
"""From when a decision is seen until the proxy goes by it and requests from before have ended, with room to spare."""
_HEARD_S: Final = 3.0
"""How long an act that is over goes on, so that what came of it is seen in the traffic."""
_END_S: Final = 5.0


def cast(text: str) -> Cast:
    """Gives the cast: a server for each model, and the release that they are of."""
    server, front = (f"trimtab.control.demo.models.{name}" for name in ("server", "ensemble"))
    return Cast(
        release=RELEASE,
        text=text,
        services={name: ("-m", server, name, "{kafka}") for name in NAMES},
        fronts={ENSEMBLE: ("-m", front, "{kafka}", "{redis}", *(f"{name}={{{name}}}" for name in MEMBERS))},
        scene=f"four models that read digits, each with a server of its own: {', '.join(NAMES)}",
        plot=f"release {RELEASE}",
        ready="v2/health/ready",
        settings=settings_with_catalogue,
        are_models=True,
    )


def play(options: DemoOptions, console: Console, interrupt: Interrupt) -> int:
    """Plays one run, and gives its exit code: 0 where every act came to what it should, else 1.

    Raises as `trimtab.control.demo.session.play` does.
    """
    first, *_ = acts()
    with (
        tempfile.TemporaryDirectory(prefix="trimtab-demo-") as folder,
        System(options, cast(first.text()), Path(folder), console, interrupt.check) as system,
    ):
        system.start()
        if system.console:
            console.print(f"    {system.console}/#/releases/{RELEASE}", soft_wrap=True, highlight=False)
        run = Run(options, console, interrupt, system)
        findings = asyncio.run(run.live())
        missed = [aim for finding in findings for aim in finding.missed]
        _tell_verdict(console, missed)
        linger(console, interrupt, system)
    return 1 if missed else 0


def _tell_verdict(console: Console, missed: list[str]) -> None:
    if missed:
        console.print(f"[bold red]✘ Verdict:[/] not as it should be, for it was expected that {'; '.join(missed)}")
    else:
        console.print("[bold green]✔ Verdict: every act came to what it should[/]  (models)")


class Run:
    """The acts, one after the other, under traffic that never stops."""

    def __init__(self, options: DemoOptions, console: Console, interrupt: Interrupt, system: System) -> None:
        self._options = options
        self._console = console
        self._interrupt = interrupt
        self._system = system
        self._chronicle = Chronicle()
        self.scenes: list[Scene] = []
        """the acts as they were seen"""

    async def live(self) -> list[Finding]:
        """Sends the traffic, plays the acts, and gives what came of each."""
        _, unseen = digits()
        with Labels(self._system.kafka) as labels, Feed(self._system.redis, RELEASE, self._chronicle) as feed:
            visitors = Visitors(self._system.url, unseen, labels, rps=self._options.rps, seed=self._options.seed)
            # Ended when the acts are; each of them takes some time to begin, too.
            sending = asyncio.create_task(visitors.arrivals.send(2 * self._options.duration_s))
            try:
                return [await self._play(act, visitors, feed) for act in acts()]
            finally:
                sending.cancel()
                await asyncio.wait([sending], timeout=_END_S)

    async def _play(self, act: Act, visitors: Visitors, feed: Feed) -> Finding:
        clock, seen = visitors.arrivals, _Seen(act)
        began_s = clock.elapsed_s
        self._print(f"\n[bold]{act.title}[/]")
        visitors.targets = {name: name for name in act.names}
        await asyncio.to_thread(self._system.apply, act.text())
        if act.key == ENSEMBLE:  # each request is as many as there are members
            clock.rps = self._options.rps / len(MEMBERS)
            visitors.ask_ensemble(self._system.fronts[ENSEMBLE])
        until_s = clock.elapsed_s + act.share * self._options.duration_s
        while clock.elapsed_s < seen.until_s(until_s):
            await asyncio.sleep(_LOOK_S)
            self._interrupt.check()
            self._mend(clock.elapsed_s)
            feed.look(clock.elapsed_s)
            if seen.take(self._chronicle.newest, clock.elapsed_s):
                self._print(f"  [dim]{_line(seen.decisions[-1], clock.elapsed_s)}[/]")
        visits = visitors.visits.between(began_s, clock.elapsed_s)
        self.scenes.append(Scene(act, began_s, seen.settled_s, visits, seen.decisions))
        return self._told(find(self.scenes[-1]))

    def _told(self, finding: Finding) -> Finding:
        for sentence in finding.told:
            self._print(f"  {sentence}")
        for aim in finding.missed:
            self._print(f"  [bold red]✘[/] expected that {aim}")
        if not finding.missed:
            self._print("  [green]✔[/]")
        return finding

    def _mend(self, elapsed_s: float) -> None:
        if mended := self._system.mend():
            self._print(f"{elapsed_s:6.1f} s  {mended}")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def _line(decision: Decision, elapsed_s: float) -> str:
    weights = "  ".join(f"{variant} {weight / 100:.0f} %" for variant, weight in decision.weights.items())
    return f"{elapsed_s:6.1f} s  {decision.phase.replace('_', ' ')}  {weights}  {decision.rule}"


class _Seen:
    """The decisions on an act's spec, as they are seen."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.decisions: list[Decision] = []
        self.settled_s = math.inf
        self._ended_s = math.inf

    def take(self, newest: Decision | None, now_s: float) -> bool:
        """Takes the newest decision, and gives whether it is of the act and worth telling."""
        before = self.decisions[-1] if self.decisions else None
        if newest is None or not self._act.is_of(newest) or (before and newest.id <= before.id):
            return False
        self.decisions.append(newest)
        if before is None or before.weights != newest.weights:
            self.settled_s = now_s + _SETTLES_S
        if newest.phase in self._act.ends:
            self._ended_s = min(self._ended_s, now_s)
        return before is None or (before.phase, before.weights) != (newest.phase, newest.weights)

    def until_s(self, latest_s: float) -> float:
        """Gives until when the act goes on: a moment after its end, so that what came of it is seen in the traffic."""
        return min(latest_s, self._ended_s + _HEARD_S)
