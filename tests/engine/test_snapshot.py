"""Law 3: snapshot and restore change nothing, whenever they are taken and whatever of them is lost."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evidence_logs import Log, Taken, evidence_logs, take
from engine.snapshots import NOTHING, Store, all_snapshots, assert_as_expected
from trimtab.engine.ledger import Ledger


def undisturbed(log: Log) -> tuple[list[Taken], Ledger]:
    ledger = Ledger()
    return [take(ledger, offset, entry) for offset, entry in enumerate(log)], ledger


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
