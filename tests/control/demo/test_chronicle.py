from control.demo.builders import BASELINE_ALONE, EVEN_STEP, decision
from trimtab.control.demo.chronicle import Chronicle, Note, excluded
from trimtab.schemas.decision import Phase


def test_chronicle_starts_with_nothing() -> None:
    chronicle = Chronicle()
    assert chronicle.newest is None
    assert chronicle.weights_at(1.0) == {}


def test_weights_at_an_instant_are_the_last_ones_seen_before_it() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(BASELINE_ALONE, revision=1), 0.0)
    chronicle.add(decision(EVEN_STEP, revision=2), 2.0)
    assert chronicle.weights_at(1.9) == BASELINE_ALONE
    assert chronicle.weights_at(2.0) == EVEN_STEP


def test_a_decision_that_is_not_newer_changes_nothing() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(EVEN_STEP, revision=5, reasons=["five"]), 1.0)
    chronicle.add(decision(BASELINE_ALONE, revision=5, reasons=["again"]), 2.0)
    chronicle.add(decision(BASELINE_ALONE, revision=4, reasons=["four"]), 3.0)
    assert chronicle.weights_at(9.0) == EVEN_STEP
    assert chronicle.notes == [Note(1.0, "five")]


def test_a_decision_that_changes_nothing_is_not_told() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(EVEN_STEP, revision=1, reasons=["start"]), 0.0)
    chronicle.add(decision(EVEN_STEP, revision=2, reasons=["still holding"]), 1.0)
    assert [note.text for note in chronicle.notes] == ["start"]


def test_a_change_of_phase_is_told_with_every_reason() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(BASELINE_ALONE, revision=1, reasons=["start"]), 0.0)
    over = decision(BASELINE_ALONE, revision=2, phase=Phase.ROLLED_BACK, reasons=["v2 failed", "v3 failed"])
    chronicle.add(over, 7.5)
    assert chronicle.notes[1:] == [Note(7.5, "v2 failed"), Note(7.5, "v3 failed")]


def test_a_reason_is_not_told_twice_in_a_row() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(EVEN_STEP, revision=1, reasons=["v2 leads"]), 0.0)
    chronicle.add(decision(BASELINE_ALONE, revision=2, reasons=["v2 leads"]), 1.0)
    assert len(chronicle.notes) == 1


def test_notes_are_bounded() -> None:
    chronicle = Chronicle()
    for revision in range(1, 200):
        weights = {"v1": 10_000 - revision, "v2": revision, "v3": 0}
        chronicle.add(decision(weights, revision=revision, reasons=[f"move {revision}"]), float(revision))
    assert len(chronicle.notes) == 50
    assert chronicle.notes[-1].text == "move 199"


def test_excluded_names_each_variant_with_its_reason() -> None:
    assert excluded(decision(EVEN_STEP, out={"v3": "error rate"})) == {"v3": "error rate"}
