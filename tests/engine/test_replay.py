"""Laws 2 and 3: replay is bit-identical, and snapshot and restore change nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.evidence_logs import Entry, advanced, evidence_logs
from trimtab.engine.ledger import Effects, Ledger
from trimtab.schemas import decision


def written(effects: list[Effects]) -> list[object]:
    """What the effects put into topics and keys, byte for byte."""
    return [
        (
            [(decision.encode(done.decision), decision.encode(done.weights), done.document) for done in each.published],
            each.refused,
            each.rejected,
        )
        for each in effects
    ]


def snapshots(ledger: Ledger) -> tuple[bytes, dict[str, bytes]]:
    return ledger.snapshot(), {name: fold.snapshot() for name, fold in ledger.releases.items()}


@settings(max_examples=50)
@given(evidence_logs())
def test_the_same_evidence_gives_the_same_decisions_to_the_last_bit(log: list[Entry]) -> None:
    first, second = Ledger(), Ledger()
    assert written(advanced(first, log)) == written(advanced(second, log))
    assert snapshots(first) == snapshots(second)


@settings(max_examples=50)
@given(evidence_logs(), st.data())
def test_a_restored_ledger_goes_on_exactly_as_the_one_that_was_snapshot(log: list[Entry], data: st.DataObject) -> None:
    undisturbed, disturbed = Ledger(), Ledger()
    expected = written(advanced(undisturbed, log))
    cut = data.draw(st.integers(0, len(log)))
    before = written(advanced(disturbed, log[:cut]))
    own, folds = snapshots(disturbed)
    restored = Ledger.restore([own], [[payload] for payload in folds.values()])
    assert snapshots(restored) == (own, folds)
    assert before + written(advanced(restored, log, cut)) == expected
    assert snapshots(restored) == snapshots(undisturbed)


@settings(max_examples=40)
@given(evidence_logs(), st.data())
def test_records_that_a_snapshot_holds_are_skipped_when_they_are_read_again(
    log: list[Entry], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, len(log)))
    again = data.draw(st.integers(0, cut))
    ledger, undisturbed = Ledger(), Ledger()
    expected = written(advanced(undisturbed, log))
    advanced(ledger, log[:cut])
    own, folds = snapshots(ledger)
    restored = Ledger.restore([own], [[payload] for payload in folds.values()])
    repeated = written(advanced(restored, log, again))
    assert repeated[: cut - again] == [([], [], "")] * (cut - again)
    assert repeated[cut - again :] == expected[cut:]


@settings(max_examples=40)
@given(evidence_logs(), st.data())
def test_a_crash_between_the_releases_snapshots_and_the_ledgers_changes_nothing(
    log: list[Entry], data: st.DataObject
) -> None:
    """Releases stand at `cut`, the ledger still at `sealed`, where reading starts again; older entries are about."""
    sealed = data.draw(st.integers(0, len(log)))
    cut = data.draw(st.integers(sealed, len(log)))
    undisturbed, ledger = Ledger(), Ledger()
    advanced(undisturbed, log)
    advanced(ledger, log[:sealed])
    own, older = snapshots(ledger)
    advanced(ledger, log[:cut], sealed)
    _, newer = snapshots(ledger)
    known = [[*([older[name]] if name in older else []), payload] for name, payload in newer.items()]
    restored = Ledger.restore([own], known)
    advanced(restored, log, sealed)
    assert snapshots(restored) == snapshots(undisturbed)
