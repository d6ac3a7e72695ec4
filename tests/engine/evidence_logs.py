"""Hypothesis strategies: whole evidence logs with panes, ticks, specs and commands, and what a ledger makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import strategies as st

from engine.builders import NOW_MS, batch, error_rate, latency, outcome, release, request, response, spec
from trimtab.engine.ledger import Effects, Ledger, Published
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.engine.refused_pane import RefusedPane
from trimtab.schemas import decision as decisions
from trimtab.schemas.evidence import Command, Record, Spec, Tick, decode, encode
from trimtab.schemas.telemetry import Event

T = TypeVar("T")

SPECS = tuple(
    map(
        spec,
        (
            release(guardrails=[error_rate(0.1), latency(100, min_samples=30)]),
            release(
                guardrails=[error_rate(0.1, confidence=0.95)],
                strategy={"type": "canary", "steps": [1_000, 5_000], "hold": "2s"},
            ),
            release(
                variants=("stable", "canary", "newer"),
                objective={"metric": "converted", "goal": "minimize"},
                limits={"minWeight": 300, "maxWeight": 4_000, "maxStep": 700},
                guardrails=[latency(100, "p50", window="1m")],
            ),
            release(
                variants=("newer", "canary", "stable"),
                strategy={"type": "canary", "steps": [900, 6_000], "hold": "1s"},
                limits={"maxWeight": 3_000},
            ),
            release("search", objective={"metric": "converted"}, strategy={"type": "bandit", "interval": "100ms"}),
        ),
    )
)
UNUSABLE: tuple[Record, ...] = (
    Spec(release="checkout", document=b"{"),
    Spec(release="checkout", document=release("search").document()),
    Command(release="ghost", action="pause"),
)
COMMANDS = (
    Command(release="checkout", action="pause", reason="lunch", actor="operator"),
    Command(release="checkout", action="resume"),
    Command(release="checkout", action="promote"),
    Command(release="checkout", action="promote", variant="canary", actor="operator"),
    Command(release="checkout", action="promote", variant="phantom"),
    Command(release="checkout", action="abort", reason="no more"),
)
_STEPS_MS = (10, 90, 200, 400, 1_000, 1_100, 2_500, 12_000, 0, -300)
"""From one record's append to the next."""
_CELLS = 8
_VALUES = (0.0, 0.5, 1.0, 4.0)


@dataclass(frozen=True)
class Taken:
    """What a ledger made of one record, in bytes."""

    published: tuple[tuple[bytes, bytes, bytes], ...]
    refused: tuple[RefusedPane, ...]
    rejected: str

    @classmethod
    def of(cls, effects: Effects) -> "Taken":
        return cls(tuple(map(_encoded, effects.published)), tuple(effects.refused), effects.rejected)

    @property
    def by_release(self) -> dict[tuple[str, int], tuple[bytes, bytes, bytes]]:
        return {key_of(item[0]): item for item in self.published}


Log = list[tuple[int, bytes]]
"""(append time, record)"""


def key_of(encoded: bytes) -> tuple[str, int]:
    decision = decisions.decode_decision(encoded)
    return decision.release, decision.revision


def _encoded(published: Published) -> tuple[bytes, bytes, bytes]:
    return decisions.encode(published.decision), decisions.encode(published.weights), published.document


def take(ledger: Ledger, offset: int, entry: tuple[int, bytes]) -> Taken:
    return Taken.of(ledger.advance(offset, entry[0], decode(entry[1])))


def _pick(options: Sequence[T], byte: int) -> T:
    return options[byte % len(options)]


def _traffic(cells: bytes, time_ms: int) -> list[Event]:
    """Up to some sixty responses of each of two variants, good and bad, fast and slow, and outcomes of them."""
    of = _pick(("checkout", "checkout", "checkout", "search", "ghost"), cells[2])
    first = [response("stable", time_ms, of=of) for _ in range(cells[3] % 64)]
    variant = _pick(("canary", "canary", "newer", "phantom"), cells[4])
    failing, slow = cells[6] % 8 == 0, cells[6] % 8 == 1
    status, duration_ms = 500 if failing else 200, 400.0 if slow else 10.0
    second = [
        response(variant, time_ms, of=of, status=status if n % 4 == 0 else 200, duration_ms=duration_ms)
        for n in range(cells[5] % 64)
    ]
    converted = [
        outcome(_pick((variant, "stable"), n), time_ms, of=of, value=_pick(_VALUES, n)) for n in range(cells[7] % 32)
    ]
    return [*first, *second, *converted, *([request(variant, time_ms, of=of)] * (cells[7] // 32))]


def _records(cells: bytes, folding: PaneBuilder, append_ms: int, log: Log, specs: Sequence[Spec]) -> list[Record]:
    match cells[0] % 12:
        case 0:
            return [Tick()]
        case 1:
            return [_pick(specs, cells[1])]
        case 2:
            return [_pick(COMMANDS, cells[1])]
        case 3:
            return [decode(_pick(log, cells[1])[1])]
        case 4:
            return [_pick(UNUSABLE, cells[1])]
        case _:
            age_ms = _pick((0, 0, 300, 900, 1_900, 5_000, -1_500), cells[1])
            folding.update(folding.next_offset, append_ms, batch(*_traffic(cells, append_ms - age_ms)))
            panes, mark = folding.emit()
            folding.acknowledge(mark)
            return [*panes.get(0, [])]


def _log(drawn: list[tuple[int, bytes]], specs: Sequence[Spec], firsts: int) -> Log:
    folding = PaneBuilder(1, FoldSpec(), lambda _: 0)
    append_ms = NOW_MS
    log: Log = [(append_ms, encode(specs[drawn[0][0] % firsts]))]
    for step, cells in drawn:
        append_ms += _pick(_STEPS_MS, step)
        log += [(append_ms, encode(record)) for record in _records(cells, folding, append_ms, log, specs)]
    return log


def evidence_logs(specs: Sequence[Spec] = SPECS, *, firsts: int = 2) -> st.SearchStrategy[Log]:
    """Logs of one evidence partition, that begin with a release: one of the first `firsts` of `specs`."""
    cells = st.binary(min_size=_CELLS, max_size=_CELLS)
    drawn = st.lists(st.tuples(st.integers(0, 255), cells), min_size=12, max_size=60)
    return drawn.map(lambda steps: _log(steps, specs, firsts))
