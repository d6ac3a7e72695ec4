"""An evidence partition that a test feeds record by record."""

from collections.abc import Iterable

from engine.builders import NO_EVENTS, NOW_MS, batch, spec
from trimtab.engine.ledger import Effects, Ledger
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.schemas.decision import Decision
from trimtab.schemas.evidence import Command, Panes, Record, Tick
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event


class EvidenceRig:
    """A ledger with the telemetry partition that feeds it, under one clock."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self.folding = PaneBuilder(0, FoldSpec(), lambda _: 0)
        self.now_ms = NOW_MS
        self.log: list[tuple[int, Record]] = []

    def append(self, record: Record) -> Effects:
        """Appends a record at the present instant."""
        self.log.append((self.now_ms, record))
        return self.ledger.advance(len(self.log) - 1, self.now_ms, record)

    def apply(self, release: Release) -> Effects:
        return self.append(spec(release))

    def command(self, action: str, *, variant: str = "", of: str = "checkout") -> Effects:
        return self.append(Command(release=of, action=action, variant=variant))  # type: ignore[arg-type]  # a literal

    def panes(self, *events: Event) -> Panes | None:
        """What the source emits after a message with these events; it is not appended."""
        self.folding.update(self.folding.next_offset, self.now_ms, batch(*events) if events else NO_EVENTS)
        panes, mark = self.folding.emit()
        self.folding.acknowledge(mark)
        if not panes:
            return None
        (record,) = panes[0]
        return record

    def bring(self, *events: Event) -> Effects:
        """Lets a message with these events come through, if it changes anything."""
        panes = self.panes(*events)
        return self.append(panes) if panes else Effects()

    def wait(self, milliseconds: int) -> Effects:
        """Lets time pass, until a tick says so."""
        self.now_ms += milliseconds
        return self.append(Tick())

    def replay(self) -> list[Effects]:
        """What a new ledger makes of the same log."""
        fresh = Ledger()
        return [fresh.advance(offset, at_ms, record) for offset, (at_ms, record) in enumerate(self.log)]


def decisions(effects: Effects | Iterable[Effects]) -> list[Decision]:
    several = [effects] if isinstance(effects, Effects) else effects
    return [published.decision for each in several for published in each.published]


def decision(effects: Effects) -> Decision:
    """The one decision that was made."""
    (made,) = decisions(effects)
    return made
