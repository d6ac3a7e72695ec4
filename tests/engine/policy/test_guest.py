"""A user's own policy, and what it may do wrong."""

import math
from collections.abc import Sequence

import pytest

from engine.policy.policies import batch, through_msgpack
from trimtab.engine.policy.guest import Guest
from trimtab.engine.policy.mixture import Mixture
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.thompson import Thompson


class Scripted:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.answer: object = [0.25, 0.75]

    def update(self, batch: Batch) -> None:
        if sum(batch.trials) == 0:
            raise ZeroDivisionError("no trials")

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        assert len(eligible) == 2
        assert (pending, seed) == (10, 1)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # the point of it

    def snapshot(self) -> Snapshot:
        return {"answer": self.answer}

    def restore(self, snapshot: Snapshot) -> None:
        self.answer = snapshot["answer"]


def ask(guest: Guest, *eligible: bool) -> list[float]:
    return guest.shares(eligible or [True, True], 10, 1)


def test_what_it_answers_are_the_shares() -> None:
    guest = Guest("mine", Scripted())
    guest.update(batch([(1, 1), (0, 0)]))
    assert ask(guest) == [0.25, 0.75]
    assert guest.fault == ""


def test_shares_that_do_not_sum_to_one_count_as_preferences_among_the_eligible() -> None:
    scripted = Scripted()
    scripted.answer = [2, 6]
    assert ask(Guest("mine", scripted)) == [0.25, 0.75]
    assert ask(Guest("mine", scripted), True, False) == [1.0, 0.0]  # noqa: FBT003 - eligible


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (RuntimeError("broken"), r"shares raised RuntimeError\('broken'\)"),
        (None, "shares raised TypeError"),
        (["a", "b"], "shares raised ValueError"),
        ([1.0], "gave 1 shares, expected 2"),
        ([float("nan"), 1.0], "expected finite ones of at least 0"),
        ([float("inf"), 1.0], "expected finite ones of at least 0"),
        ([-0.5, 1.5], "expected finite ones of at least 0"),
        ([0.0, 0.0], "none to an arm that may take traffic"),
    ],
)
def test_a_wrong_answer_leaves_the_last_right_one_and_is_told(answer: object, fault: str) -> None:
    scripted = Scripted()
    guest = Guest("mine", scripted)
    fresh = Guest("mine", scripted)
    ask(guest)
    scripted.answer = answer
    assert ask(guest) == [0.25, 0.75]
    assert ask(fresh) == [0.5, 0.5], "even before the first answer"
    for each in (guest, fresh):
        with pytest.raises(AssertionError, match=fault):
            raise AssertionError(each.fault)
    scripted.answer = [0.5, 0.5]
    assert ask(guest) == [0.5, 0.5]
    assert guest.fault == ""


def test_the_last_answer_is_kept_to_arms_that_may_still_take_traffic() -> None:
    scripted = Scripted()
    guest = Guest("mine", scripted)
    ask(guest)
    scripted.answer = RuntimeError()
    assert ask(guest, True, False) == [1.0, 0.0]  # noqa: FBT003 - eligible


def test_an_update_that_raises_is_told_until_one_does_not() -> None:
    guest = Guest("mine", Scripted())
    guest.update(batch([(0, 0), (0, 0)]))
    assert guest.fault == "policy mine: update raised ZeroDivisionError('no trials')"
    ask(guest)
    assert guest.fault
    guest.update(batch([(1, 0), (0, 0)]))
    assert guest.fault == ""


def test_what_it_does_to_a_batch_reaches_nobody_else() -> None:
    class Spoils(Scripted):
        def update(self, batch: Batch) -> None:
            for sums in (batch.trials, batch.rewards, batch.squares, batch.shares):
                sums[:] = [math.nan, math.nan]  # type: ignore[index]  # lists, as it happens

        def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
            eligible[:] = [True, True]  # type: ignore[index]  # a list, as it happens
            return super().shares(eligible, pending, seed)

    told, eligible = batch([(9, 1), (9, 8)]), [True, False]
    mixture = Mixture([(1.0, Guest("mine", Spoils())), (1.0, Thompson(2, real_valued=False))])
    mixture.update(told)
    assert told == batch([(9, 1), (9, 8)])
    assert mixture.shares(eligible, 10, 0)[1] == 0.0
    assert eligible == [True, False]


@pytest.mark.parametrize(
    "state", [RuntimeError("broken"), {"answer": object()}, {"answer": 1 << 70}], ids=["raises", "no data", "too large"]
)
def test_one_that_cannot_be_kept_begins_anew_and_says_so(state: object) -> None:
    class Unkept(Scripted):
        def snapshot(self) -> Snapshot:
            if isinstance(state, Exception):
                raise state
            return state  # type: ignore[return-value]  # the point of it

    guest, again = Guest("mine", Unkept()), Guest("mine", Unkept())
    assert ask(guest) == [0.25, 0.75]
    assert guest.fault == ""
    again.restore(through_msgpack(guest.snapshot()))
    assert again.fault.startswith("policy mine: expected a snapshot of plain data, got ")
    assert again.fault.endswith("; it began anew")
    again.update(batch([(1, 0), (0, 0)]))
    assert again.fault == ""


def test_one_that_does_not_take_its_snapshot_begins_anew_and_says_so() -> None:
    class Forgetful(Scripted):
        def restore(self, snapshot: Snapshot) -> None:
            raise KeyError(*snapshot)

    again = Guest("mine", Forgetful())
    again.restore(Guest("mine", Scripted()).snapshot())
    assert again.fault == "policy mine: restore raised KeyError('answer'); it began anew"
    assert ask(again) == [0.25, 0.75]


def test_a_mixture_tells_what_users_own_members_do_wrong() -> None:
    first, second = Scripted(), Scripted()
    mixture = Mixture([(1.0, Guest("one", first)), (1.0, Guest("two", second)), (1.0, Thompson(2, real_valued=False))])
    assert mixture.fault == ""
    mixture.update(batch([(0, 0), (0, 0)]))
    told = "update raised ZeroDivisionError('no trials')"
    assert mixture.fault == f"policy one: {told}; policy two: {told}"


def test_a_restored_guest_knows_its_last_answer_and_fault() -> None:
    scripted = Scripted()
    guest = Guest("mine", scripted)
    ask(guest)
    scripted.answer = [1.0]
    ask(guest)
    restored = Guest("mine", Scripted())
    restored.restore(guest.snapshot())
    assert restored.fault == guest.fault
    assert ask(restored) == [0.25, 0.75]
