"""Snapshots as a worker keeps them, and what has to be the same after a restart."""

from dataclasses import dataclass, field

from engine.evidence_logs import Taken
from engine.policy.policies import FACTORIES
from trimtab.engine.ledger import Ledger

NOTHING = Taken((), (), "")


@dataclass
class Store:
    """Snapshots by generation, as they lie in a table: newer ones beside older ones."""

    ledgers: dict[int, bytes] = field(default_factory=dict)
    releases: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def write(self, ledger: Ledger, generation: int, *, only_releases: bool = False, at_most: int = 1000) -> None:
        """Writes the releases that changed first, the ledger last; a crash may come at any point between."""
        changed = ledger.take_changed()
        for name in changed[:at_most]:
            self.releases[name, generation] = ledger.releases[name].snapshot()
        if not only_releases:
            self.ledgers[generation] = ledger.snapshot()

    def restore(self) -> Ledger:
        names = sorted({name for name, _ in self.releases})
        known = [[taken for (name, _), taken in self.releases.items() if name == of] for of in names]
        return Ledger.restore(self.ledgers.values(), known, FACTORIES)


def all_snapshots(ledger: Ledger) -> tuple[bytes, dict[str, bytes]]:
    return ledger.snapshot(), {name: fold.snapshot() for name, fold in ledger.releases.items()}


def assert_as_expected(taken: Taken, expected: Taken) -> None:
    """A release whose snapshot is ahead of the ledger's passes records over: their effects were there before."""
    for key, item in taken.by_release.items():
        assert item == expected.by_release[key]
    assert set(taken.refused) <= set(expected.refused)
    assert taken.rejected in ("", expected.rejected)
