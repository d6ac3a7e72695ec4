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
    chronicle.add(decision(EVEN_STEP, revision=5, rule="five"), 1.0)
    chronicle.add(decision(BASELINE_ALONE, revision=5, rule="again"), 2.0)
    chronicle.add(decision(BASELINE_ALONE, revision=4, rule="four"), 3.0)
    assert chronicle.weights_at(9.0) == EVEN_STEP
    assert chronicle.notes == [Note(1.0, "five", EVEN_STEP)]


def test_a_decision_that_changes_nothing_is_not_told() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(EVEN_STEP, revision=1, rule="start"), 0.0)
    chronicle.add(decision(EVEN_STEP, revision=2, rule="still holding"), 1.0)
    assert [note.text for note in chronicle.notes] == ["start"]


def test_a_change_of_phase_is_told_with_its_rule_and_weights() -> None:
    chronicle = Chronicle()
    chronicle.add(decision(BASELINE_ALONE, revision=1, rule="start"), 0.0)
    chronicle.add(decision(BASELINE_ALONE, revision=2, phase=Phase.ROLLED_BACK, rule="v3 failed"), 7.5)
    assert chronicle.notes[1:] == [Note(7.5, "v3 failed", BASELINE_ALONE)]


def test_notes_are_bounded() -> None:
    chronicle = Chronicle()
    for revision in range(1, 200):
        weights = {"v1": 10_000 - revision, "v2": revision, "v3": 0}
        chronicle.add(decision(weights, revision=revision, rule=f"move {revision}"), float(revision))
    assert len(chronicle.notes) == 50
    assert chronicle.notes[-1].text == "move 199"


def test_excluded_names_each_variant_with_its_reason() -> None:
    assert excluded(decision(EVEN_STEP, out={"v3": "error rate"})) == {"v3": "error rate"}
