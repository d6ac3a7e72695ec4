"""Simulated traffic: requests routed by the weights in force, folded, merged and decided on as in the real path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.builders import NOW_MS, batch, outcome, response, spec
from trimtab.engine.ledger import Ledger
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.schemas.decision import Decision
from trimtab.schemas.evidence import Command, Record, Tick
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event

STEP_MS = 100


@dataclass(frozen=True)
class Service:
    """How a variant behaves."""

    error_ratio: float = 0.0
    median_ms: float = 20.0
    conversion: float | None = None

    def answer(self, rng: np.random.Generator, variant: str, time_ms: int) -> list[Event]:
        status = 500 if rng.random() < self.error_ratio else 200
        duration_ms = float(self.median_ms * rng.lognormal(0, 0.3))
        answers: list[Event] = [response(variant, time_ms, status=status, duration_ms=duration_ms)]
        if self.conversion is not None:
            answers.append(outcome(variant, time_ms, value=float(rng.random() < self.conversion)))
        return answers


@dataclass
class Simulation:
    """One release under traffic. Time goes in steps of a tenth of a second."""

    release: Release
    services: Mapping[str, Service]
    rps: float = 200.0
    seed: int = 1
    copies: Mapping[str, float] = field(default_factory=dict)
    """variant -> requests a second that reach it besides those that the weights send"""
    decisions: list[Decision] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    """requests by variant"""
    failed: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.now_ms = NOW_MS
        self.ledger = Ledger()
        self._folding = PaneBuilder(0, FoldSpec(), lambda _: 0)
        self._append(spec(self.release))

    def _append(self, record: Record, rejected: str = "") -> None:
        effects = self.ledger.advance(self.ledger.offset + 1, self.now_ms, record)
        assert effects.rejected == rejected
        self.decisions += [published.decision for published in effects.published]

    @property
    def newest(self) -> Decision:
        return self.decisions[-1]

    def run(self, seconds: float, *, rps: float | None = None) -> Iterator[Decision]:
        """Lets traffic flow; gives the decisions of this stretch."""
        before = len(self.decisions)
        for _ in range(round(seconds * 1000 / STEP_MS)):
            self._step(self.rps if rps is None else rps)
        return iter(self.decisions[before:])

    def _step(self, rps: float) -> None:
        self.now_ms += STEP_MS
        weights = self.newest.weights
        shares = np.array(list(weights.values())) / 10_000
        events: list[Event] = []
        for variant, copies in self.copies.items():
            for _ in range(self.rng.poisson(copies * STEP_MS / 1000)):
                events += self.services[variant].answer(self.rng, variant, self.now_ms)
        for variant in self.rng.choice(list(weights), self.rng.poisson(rps * STEP_MS / 1000), p=shares):
            answers = self.services[variant].answer(self.rng, str(variant), self.now_ms)
            self.sent[variant] = self.sent.get(variant, 0) + 1
            self.failed += answers[0].status >= 500  # type: ignore[union-attr]  # the first is a response
            events += answers
        self._folding.update(self._folding.next_offset, self.now_ms, batch(*events, sent_ms=self.now_ms))
        panes, mark = self._folding.emit()
        self._folding.acknowledge(mark)
        for record in panes.get(0, (Tick(),)):
            self._append(record)

    def command(self, action: str, *, refused: str = "", **more: object) -> None:
        """Orders something; `refused` is why it is expected to be refused."""
        command = Command(release=self.release.name, action=action, **more)  # type: ignore[arg-type]  # a literal
        self._append(command, rejected=f"{action}: release {self.release.name}: {refused}" if refused else "")

    def apply(self, release: Release) -> None:
        self.release = release
        self._append(spec(release))
