"""The live view: a picture of the run at one instant, for a terminal of 80 by 24 or more.

Glyphs say all that colours say, so that it reads the same without colour.
"""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from trimtab.control.demo.chronicle import Chronicle, Note
from trimtab.control.demo.ledger import Ledger, Tally, tally
from trimtab.control.demo.options import DemoOptions, Strategy
from trimtab.control.demo.release import RELEASE
from trimtab.control.demo.scenario import BASELINE, STEPS_BP, VARIANTS
from trimtab.control.demo.spark import ZERO, sparkline
from trimtab.schemas.decision import Arm, Decision, Phase
from trimtab.schemas.ids import BASIS_POINTS

COLOURS: Final = {"v1": "cyan", "v2": "magenta", "v3": "yellow"}
PHASES: Final = {
    Phase.PROGRESSING: ("●", "bold blue"),
    Phase.PAUSED: ("‖", "bold yellow"),
    Phase.FROZEN: ("‖", "bold yellow"),
    Phase.PROMOTED: ("✔", "bold green"),
    Phase.ROLLED_BACK: ("↩", "bold red"),
    Phase.COMPLETED: ("✔", "bold green"),
}

_RATE_S: Final = 2.0
_SIGHT_S: Final = 10.0
"""How far back errors and latencies look."""

_TALL: Final = 34
"""Rows of a terminal from which on the sparklines get more than one each."""

_FIXED_ROWS: Final = 13
"""What is drawn besides sparklines and decisions."""

_NUMBERS: Final = 41
"""Width of the columns to the right of the bar."""

_LEAST_BAR: Final = 8

_WHEN: Final = 29
"""Width of what stands before the rule of a decision: the time and three weights."""

_LEAST_WORDS: Final = 20

_NAME: Final = 14
"""Width of the column to the left of the bar."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The run at one instant; rich draws it to the size of the terminal."""

    options: DemoOptions
    elapsed_s: float
    chronicle: Chronicle
    ledger: Ledger
    pending: int
    """requests under way"""
    console: str = ""
    """where the console is"""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width - 2, options.height or console.height
        for line in self._lines(width, height):
            line.truncate(width, overflow="ellipsis")
            yield Text(" ") + line

    def _lines(self, width: int, height: int) -> Iterator[Text]:
        spark_rows = 1 if height < _TALL else 3
        yield from self._head(width)
        yield Text()
        yield from self._table(width)
        yield Text()
        yield from self._weights(width, spark_rows)
        yield Text()
        yield from self._notes(width, height - _FIXED_ROWS - spark_rows * len(VARIANTS))
        yield self._foot(width)

    def _head(self, width: int) -> Iterator[Text]:
        chosen = self.options
        story = f"{chosen.scenario} · {chosen.strategy} · {chosen.rps} requests/s · seed {chosen.seed}"
        clock = f"{_clock(self.elapsed_s)} / {_clock(chosen.duration_s)}"
        yield spread(Text.assemble(("trimtab demo", "bold"), f"  {story}"), Text(clock), width)
        done = round(width * min(1.0, self.elapsed_s / chosen.duration_s))
        yield Text.assemble(("━" * done, "green"), ("─" * (width - done), "dim"))
        yield spread(*self._phase(), width)

    def _phase(self) -> tuple[Text, Text]:
        decision = self.chronicle.newest
        if decision is None:
            return Text("waiting for the first decision", "dim"), Text()
        mark, style = PHASES[decision.phase]
        left = Text.assemble((f"{mark} {decision.phase.replace('_', ' ')}", style), f"  {RELEASE}")
        if self.options.strategy is Strategy.CANARY and not decision.phase.is_over:
            left.append(
                f", step {decision.step + 1} of {len(STEPS_BP)}: candidates share {_share(STEPS_BP[decision.step])}"
            )
        return left, Text(f"revision {decision.revision}", "dim")

    def _table(self, width: int) -> Iterator[Text]:
        bar = max(_LEAST_BAR, width - _NAME - _NUMBERS)
        head = f"{'variant':{_NAME}}{'weight':{bar}}{'':9}{'req/s':>7}{'errors':>8}{'p99':>9}{'P(best)':>8}"
        yield Text(head, "dim")
        now_s = self.elapsed_s
        rates = {one.variant: one.requests for one in tally(self.ledger.ended_since(now_s - _RATE_S), VARIANTS)}
        span_s = max(0.1, min(_RATE_S, now_s))
        for seen in tally(self.ledger.ended_since(now_s - _SIGHT_S), VARIANTS):
            yield self._row(seen, rates[seen.variant] / span_s, bar)

    def _row(self, seen: Tally, rate: float, width: int) -> Text:
        arm = _arm(self.chronicle.newest, seen.variant)
        weight = arm.weight if arm else 0
        style = COLOURS[seen.variant]
        row = Text.assemble((f"{seen.variant} ", f"bold {style}"), (f"{_state(arm, seen.variant):{_NAME - 3}}", "dim"))
        row.append_text(_bar(arm, width, style))
        row.append(f"{_share(weight):>9}", "bold")
        row.append(f"{rate:7.0f}")
        row.append(f"{_ratio(seen.errors, seen.requests):>8}", "bold red" if seen.errors else "")
        row.append(f"{_ms(seen.p99_ms):>9}")
        row.append(f"{_probability(arm):>8}")
        return row

    def _weights(self, width: int, rows: int) -> Iterator[Text]:
        yield Text("weights over the run", "dim")
        columns = width - 3
        slice_s = self.options.duration_s / columns
        ends_s = [(column + 1) * slice_s for column in range(columns) if column * slice_s <= self.elapsed_s]
        for variant in VARIANTS:
            seen = [self.chronicle.weights_at(at_s).get(variant) for at_s in ends_s]
            values = [None if weight is None else weight / BASIS_POINTS for weight in seen]
            for row, line in enumerate(sparkline(values, rows)):
                label = f"{variant} " if row == rows - 1 else "   "
                yield Text.assemble((label, f"bold {COLOURS[variant]}"), _spark_text(line, COLOURS[variant]))

    def _notes(self, width: int, rows: int) -> Iterator[Text]:
        columns = " ".join(f"{variant:>5}" for variant in VARIANTS)
        yield Text(f"decisions {columns:{_WHEN - 10}} %, newest first", "dim")
        lines = [line for note in reversed(self.chronicle.notes) for line in _told(note, width)]
        blank = [Text()] * (rows - len(lines))
        yield from [*lines, *blank][: max(0, rows)]

    def _foot(self, width: int) -> Text:
        total, failed = len(self.ledger.exchanges), sum(one.failed for one in self.ledger.exchanges)
        left = f"{total:,} requests, {failed:,} failed ({_ratio(failed, total)}), {self.pending} under way"
        return spread(Text(left), Text(self.console or "Ctrl-C ends it", "dim"), width)


def spread(left: Text, right: Text, width: int) -> Text:
    """Gives one line with `left` at its beginning and `right` at its end."""
    gap = max(1, width - left.cell_len - right.cell_len)
    return Text.assemble(left, " " * gap, right)


def _told(note: Note, width: int) -> list[Text]:
    """Gives a note as lines: when, the weights, and the rule beside them in as many lines as it takes."""
    shares = " ".join(f"{weight / 100:5.1f}" for weight in note.weights.values())
    words = textwrap.wrap(note.text, max(_LEAST_WORDS, width - _WHEN)) or [""]
    style = "red" if note.text.startswith("guardrail") else ""
    head = Text.assemble((f"{note.at_s:6.1f} s", "dim"), f" {shares:{_WHEN - 10}} ", (words[0], style))
    return [head, *(Text.assemble(" " * _WHEN, (rest, style)) for rest in words[1:])]


def _arm(decision: Decision | None, variant: str) -> Arm | None:
    return next((arm for arm in decision.arms if arm.variant == variant), None) if decision else None


def _state(arm: Arm | None, variant: str) -> str:
    if variant == BASELINE:
        return "baseline"
    return "out" if arm and arm.excluded else "candidate"


def _bar(arm: Arm | None, width: int, style: str) -> Text:
    """A bar as long as the weight; where there is none, the reason for it takes its place."""
    if arm and arm.excluded:
        reason = Text(f"✕ {arm.excluded}", "red")
        reason.truncate(width, overflow="ellipsis", pad=True)
        return reason
    weight = arm.weight if arm else 0
    filled = max(1, round(width * weight / BASIS_POINTS)) if weight else 0
    return Text.assemble(("█" * filled, style), ("░" * (width - filled), "dim"))


def _spark_text(line: str, style: str) -> Text:
    text = Text(line, style)
    text.highlight_words([ZERO], "dim")
    return text


def _share(weight_bp: int) -> str:
    return f"{weight_bp / 100:.2f} %"


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else "-"


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} ms"


def _probability(arm: Arm | None) -> str:
    return f"{arm.probability_best:.3f}" if arm else "-"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
