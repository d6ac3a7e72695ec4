"""Hypothesis strategies: evidence logs, with everything in them that a ledger may meet."""

from dataclasses import dataclass

from hypothesis import strategies as st

from engine.builders import NOW_MS, batch, builder, error_rate, latency, outcome, release, request, response, spec
from trimtab.engine.ledger import Effects, Ledger
from trimtab.schemas.evidence import Command, Record, Tick, decode, encode
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event

RAILS = (error_rate(0.05), latency(400.0))
VARIANTS = ("stable", "canary", "third")

SPECS: tuple[Release, ...] = (
    release(variants=VARIANTS, guardrails=RAILS, limits={"minWeight": 300, "maxStep": 1_700}),
    release(variants=VARIANTS, strategy={"type": "bandit", "interval": "200ms"}, limits={"maxStep": 10_000}),
    release(variants=VARIANTS, guardrails=RAILS, strategy={"type": "canary", "steps": [600, 4_000], "hold": "1s"}),
    release(
        variants=("stable", "canary"),
        strategy={"type": "canary", "steps": [1_000, 3_000], "hold": "500ms"},
        limits={"maxWeight": 3_000, "maxStep": 700},
        objective={"metric": "converted", "goal": "minimize"},
    ),
)


@dataclass(frozen=True)
class Entry:
    """A record of the evidence log, and when it was appended."""

    append_ms: int
    record: Record


@st.composite
def evidence_logs(draw: st.DrawFn) -> list[Entry]:
    """Logs that begin with a spec; telemetry comes from real builders of two sources."""
    builders, offsets = [builder(source) for source in (0, 1)], [0, 0]
    log = [Entry(NOW_MS, spec(draw(st.sampled_from(SPECS))))]
    append_ms = NOW_MS
    for _ in range(draw(st.integers(5, 40))):
        append_ms += draw(st.sampled_from((0, 90, 100, 400, 1_000, 1_100, 3_000)))
        match draw(st.sampled_from(("panes", "panes", "panes", "panes", "panes", "panes", "tick", "command", "spec"))):
            case "panes":
                source = draw(st.integers(0, 1))
                builders[source].update(offsets[source], append_ms, batch(*draw(_events(append_ms))))
                offsets[source] += 1
                panes, mark = builders[source].emit()
                builders[source].acknowledge(mark)
                log += [Entry(append_ms, record) for record in panes.values()]
            case "tick":
                log.append(Entry(append_ms, Tick()))
            case "command":
                log.append(Entry(append_ms, draw(_commands())))
            case _:
                log.append(Entry(append_ms, spec(draw(st.sampled_from(SPECS)))))
    return log


@st.composite
def _events(draw: st.DrawFn, append_ms: int) -> list[Event]:
    """Up to a few dozen events of one kind of behaviour: good, failing, slow or unknown."""
    variant = draw(st.sampled_from((*VARIANTS, *VARIANTS, "phantom")))
    of = draw(st.sampled_from(("checkout", "checkout", "checkout", "ghost")))
    time_ms = append_ms - draw(st.sampled_from((0, 300, 1_500, 9_000)))
    status, duration_ms = draw(st.sampled_from(((200, 20.0), (200, 25.0), (500, 5.0), (200, 900.0))))
    events: list[Event] = [request(variant, time_ms, of=of)]
    events += [response(variant, time_ms, of=of, status=status, duration_ms=duration_ms)] * draw(st.integers(0, 40))
    events += [outcome(variant, time_ms, of=of, value=draw(st.sampled_from((0.0, 0.5, 1.0))))] * draw(st.integers(0, 9))
    return events


def _commands() -> st.SearchStrategy[Command]:
    action = st.sampled_from(("pause", "resume", "promote", "abort"))
    variant = st.sampled_from(("", "canary", "phantom"))
    name = st.sampled_from(("checkout", "checkout", "ghost"))
    return st.builds(Command, release=name, action=action, variant=variant, reason=st.just("drill"))


def advanced(ledger: Ledger, log: list[Entry], start: int = 0) -> list[Effects]:
    """What a ledger does about the entries from `start` on, as they cross the wire."""
    return [
        ledger.advance(start + position, entry.append_ms, decode(encode(entry.record)))
        for position, entry in enumerate(log[start:])
    ]
