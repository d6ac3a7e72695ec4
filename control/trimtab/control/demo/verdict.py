"""What came of a run, judged by what the clients saw.

Decided here, and nowhere else: what counts as harm, and which end of a run is the one that its scenario should bring.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trimtab.control.demo.chronicle import excluded
from trimtab.control.demo.ledger import Exchange, Ledger
from trimtab.control.demo.options import DemoOptions, Strategy
from trimtab.control.demo.scenario import STEPS_BP, Story, hold_s
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.ids import BASIS_POINTS

MAX_HARM: Final = 0.03
"""The share of all requests that bad variants may spoil."""

MIN_WIN: Final = 0.80
"""The share of the last requests that the best variant must have."""

LAST_S: Final = 10.0
"""How much of the end of a run is looked at by itself."""

_SETTLED_S: Final = 1.0
"""The end of a run, in which no bad variant may serve."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended, in words, and whether that is what should have happened."""

    succeeded: bool
    headline: str
    sentences: tuple[str, ...]


def judge(options: DemoOptions, story: Story, decision: Decision | None, ledger: Ledger) -> Verdict:
    """Gives the verdict on a run whose newest decision is `decision`."""
    if decision is None or not ledger.exchanges:
        return Verdict(succeeded=False, headline="nothing happened", sentences=("No decision or no traffic was seen.",))
    aims = _aims(options, story, decision, ledger)
    missed = tuple(f"Expected that {aim}; it is not so." for aim, met in aims if not met)
    told = (*_removals(options, story, ledger), *_harm_told(story, ledger), *_win_told(options, story, ledger))
    return Verdict(
        succeeded=not missed,
        headline=_headline(options, story, decision, ledger),
        sentences=(*told, *_others_told(story, ledger), *missed, *_too_short(options, decision)),
    )


def _aims(options: DemoOptions, story: Story, decision: Decision, ledger: Ledger) -> list[tuple[str, bool]]:
    """Gives what the scenario should bring, each with whether it did."""
    if story.best:
        won = _winner(decision) == story.best or _last_share(options, story.best, ledger) >= MIN_WIN
        return [(f"{story.best} is promoted or has {MIN_WIN:.0%} of the last {LAST_S:.0f} s", won)]
    settled = ledger.sent_since(options.duration_s - _SETTLED_S)
    return [
        ("every bad variant is taken out", _is_out(story, decision)),
        ("no bad variant serves at the end", not any(one.variant in story.bad for one in settled)),
        (f"at most {MAX_HARM:.0%} of the requests are spoiled by bad variants", harm_share(story, ledger) <= MAX_HARM),
    ]


def _is_out(story: Story, decision: Decision) -> bool:
    by_arm = decision.strategy == Strategy.BANDIT and set(story.bad) <= set(excluded(decision))
    return decision.phase is Phase.ROLLED_BACK or by_arm


def harmed(story: Story, ledger: Ledger) -> list[Exchange]:
    """Gives the requests that a bad variant failed, or answered too slowly."""
    return [one for one in ledger.exchanges if one.variant in story.bad and one.is_bad(story.latency_limit_ms)]


def harm_share(story: Story, ledger: Ledger) -> float:
    """Gives the share of all requests that bad variants spoiled."""
    return len(harmed(story, ledger)) / len(ledger.exchanges)


def _winner(decision: Decision) -> str:
    """Gives the variant that was promoted; empty where none was."""
    whole = [variant for variant, weight in decision.weights.items() if weight == BASIS_POINTS]
    return whole[0] if decision.phase is Phase.PROMOTED and whole else ""


def _last_share(options: DemoOptions, variant: str, ledger: Ledger) -> float:
    last = ledger.sent_since(options.duration_s - LAST_S)
    return sum(one.variant == variant for one in last) / len(last) if last else 0.0


def _headline(options: DemoOptions, story: Story, decision: Decision, ledger: Ledger) -> str:
    match decision.phase:
        case Phase.ROLLED_BACK:
            return "rolled back"
        case Phase.PROMOTED:
            return f"promoted {_winner(decision)}"
        case Phase.PAUSED | Phase.FROZEN | Phase.COMPLETED:
            return str(decision.phase)
        case Phase.PROGRESSING if options.strategy is Strategy.CANARY:
            return f"still progressing (step {decision.step + 1} of {len(STEPS_BP)})"
        case Phase.PROGRESSING if story.bad and _is_out(story, decision):
            return f"{_listed(story.bad)} taken out"
        case Phase.PROGRESSING:
            best = max(decision.weights, key=lambda variant: _last_share(options, variant, ledger))
            return f"bandit favours {best}"


def _removals(options: DemoOptions, story: Story, ledger: Ledger) -> Sequence[str]:
    return [_removal(options, variant, ledger, story.latency_limit_ms) for variant in story.bad]


def _removal(options: DemoOptions, variant: str, ledger: Ledger, limit_ms: float) -> str:
    served = ledger.of(variant)
    bad = [one.ended_s for one in served if one.is_bad(limit_ms)]
    if not bad:
        return f"{variant} never answered badly."
    last_s = max(one.sent_s for one in served)
    if last_s > options.duration_s - _SETTLED_S:
        return f"{variant} answered badly from {min(bad):.1f} s on, and still served at the end."
    gap_s = max(0.0, last_s - min(bad))
    return (
        f"{variant} answered badly first at {min(bad):.1f} s and {len(bad):,} times in all;"
        f" its last request was sent {gap_s:.1f} s later."
    )


def _harm_told(story: Story, ledger: Ledger) -> Sequence[str]:
    if not story.bad:
        return []
    slow = "" if math.isinf(story.latency_limit_ms) else f" or took over {story.latency_limit_ms:.0f} ms"
    count, total = len(harmed(story, ledger)), len(ledger.exchanges)
    return [f"{count:,} of {total:,} requests ({count / total:.2%}) failed{slow} because of {_listed(story.bad)}."]


def _win_told(options: DemoOptions, story: Story, ledger: Ledger) -> Sequence[str]:
    if not story.best:
        return []
    share = _last_share(options, story.best, ledger)
    return [f"{story.best}, the better one, got {share:.1%} of the last {LAST_S:.0f} seconds' requests."]


def _others_told(story: Story, ledger: Ledger) -> Sequence[str]:
    others = sum(one.failed and one.variant not in story.bad for one in ledger.exchanges)
    return [f"{others:,} more failed for other reasons."] if others else []


def _too_short(options: DemoOptions, decision: Decision) -> Sequence[str]:
    least_s = 2 * len(STEPS_BP) * hold_s(options.duration_s)
    if options.strategy is Strategy.BANDIT or decision.phase.is_over or options.duration_s >= least_s:
        return []
    return [f"The run ended before the canary was through its steps; give it {least_s:.0f} s or more with --duration."]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
