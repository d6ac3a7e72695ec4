"""Which decisions changed something, and what an undo goes back to."""

import pytest

from control.decisions import decision
from trimtab.control.turns import ordered_by, turns
from trimtab.control.undo import plan, target
from trimtab.schemas.decision import Decision, Phase

EVEN, LEAN = {"v1": 5_000, "v2": 5_000}, {"v1": 9_000, "v2": 1_000}


def made(revision: int, rule: str = "bandit: weights follow P(best)", **changes: object) -> Decision:
    return decision(revision=revision, rule=rule, **{"weights": EVEN, **changes})


def revisions(*decisions: Decision) -> list[int]:
    return [turn.decision.revision for turn in turns(decisions)]


def test_decisions_that_change_nothing_are_no_turns() -> None:
    assert revisions(made(1), made(2), made(3, weights=LEAN), made(4, weights=LEAN)) == [1, 3]


def test_another_phase_is_a_turn_and_so_are_segments_and_an_end_of_the_queue() -> None:
    assert revisions(made(1), made(2, phase=Phase.PAUSED), made(3, phase=Phase.PAUSED)) == [1, 2]
    assert revisions(made(1), made(2, segments={"eu": LEAN})) == [1, 2]
    assert revisions(made(1, queued_behind="checkout"), made(2)) == [1, 2]


def test_an_order_is_a_turn_even_where_it_changes_nothing() -> None:
    (_, turn) = turns([made(1), made(2, "resume by ann: the sale: it is over")])
    assert (turn.actor, turn.reason) == ("ann", "the sale: it is over")


@pytest.mark.parametrize(
    "rule", ["bandit: weights follow P(best)", "guardrail: v2: errors by far", "applied: all traffic on v1", "by ann"]
)
def test_a_rule_of_the_engine_is_nobodys_order(rule: str) -> None:
    assert ordered_by(rule) == ("", "")


def undone(*decisions: Decision) -> int | None:
    found = target(decisions)
    return found.revision if found else None


def test_an_undo_goes_back_to_before_the_newest_order_or_file() -> None:
    assert undone(made(1, "applied: all traffic on v1"), made(2), made(3, "abort by ann: wrong")) == 2
    assert undone(made(1, "applied: x"), made(2), made(3, "applied: another spec"), made(4)) == 2
    assert undone(made(1, "applied: x"), made(2)) is None
    assert undone() is None


def test_an_undo_of_an_undo_takes_both_parts_of_it_for_one() -> None:
    again = [
        made(1, "applied: x"), made(2), made(3, "applied: another spec"), made(4),
        made(5, "applied: another spec"), made(6, "set-weights by ann: undo to revision 2: better"),
    ]  # fmt: skip
    assert undone(*again) == 4


def test_the_file_of_then_is_applied_where_it_is_another_one() -> None:
    to, now = made(2, weights=LEAN), made(9)
    undoing = plan(to, b"then", (now, b"now"))
    assert undoing.document == b"then"
    (order,) = undoing.commands("ann", "it was better")
    assert (order.action, order.weights, order.actor) == ("set-weights", LEAN, "ann")
    assert order.reason == "undo to revision 2: it was better"
    assert plan(to, b"now", (now, b"now")).document is None


def test_a_release_that_is_over_begins_anew_before_weights_are_set() -> None:
    over = made(9, phase=Phase.ROLLED_BACK)
    actions = [order.action for order in plan(made(2), b"now", (over, b"now")).commands("ann", "why")]
    assert actions == ["retry", "set-weights"]
    assert len(plan(made(2), b"then", (over, b"now")).commands("ann", "why")) == 1  # another file begins anew by itself
