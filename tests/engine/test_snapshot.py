"""Law 3: snapshot and restore change nothing, whenever they are taken and whatever of them is lost."""

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evidence_logs import Log, Taken, evidence_logs, take
from trimtab.engine.ledger import Ledger


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
        return Ledger.restore(self.ledgers.values(), known)


def undisturbed(log: Log) -> tuple[list[Taken], Ledger]:
    ledger = Ledger()
    return [take(ledger, offset, entry) for offset, entry in enumerate(log)], ledger


def all_snapshots(ledger: Ledger) -> tuple[bytes, dict[str, bytes]]:
    return ledger.snapshot(), {name: fold.snapshot() for name, fold in ledger.releases.items()}


NOTHING = Taken((), (), "")
EVENTS = ("take", "take", "take", "take", "snapshot", "snapshot", "restart", "half a snapshot", "releases only")


@settings(max_examples=80)
@given(evidence_logs(), st.lists(st.sampled_from(EVENTS), min_size=20, max_size=120))
def test_restarts_from_snapshots_decide_as_if_nothing_had_happened(log: Log, events: list[str]) -> None:
    expected, steady = undisturbed(log)
    store, ledger, generation = Store(), Ledger(), 1
    effects: dict[int, set[object]] = defaultdict(set)
    for event in events + ["take"] * len(log):
        match event:
            case "take" if ledger.offset + 1 < len(log):
                offset = ledger.offset + 1
                taken = take(ledger, offset, log[offset])
                assert_as_expected(taken, expected[offset])
                effects[offset] |= {*taken.published, *taken.refused, taken.rejected}
            case "snapshot":
                store.write(ledger, generation)
            case "restart" | "half a snapshot" | "releases only":
                if event != "restart":
                    store.write(ledger, generation, only_releases=True, at_most=1 if event[0] == "h" else 1000)
                ledger, generation = store.restore(), generation + 1
                for offset in range(ledger.due, ledger.offset + 1):
                    assert take(ledger, offset, log[offset]) == NOTHING
    assert all_snapshots(ledger) == all_snapshots(steady)
    told = [effects[offset] - {""} for offset in range(len(log))]
    assert told == [{*due.published, *due.refused, due.rejected} - {""} for due in expected]


def assert_as_expected(taken: Taken, expected: Taken) -> None:
    """A release whose snapshot is ahead of the ledger's passes records over: their effects were there before."""
    for key, item in taken.by_release.items():
        assert item == expected.by_release[key]
    assert set(taken.refused) <= set(expected.refused)
    assert taken.rejected in ("", expected.rejected)
