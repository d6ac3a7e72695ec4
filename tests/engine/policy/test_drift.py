"""Signals that an arm changed."""

import numpy as np
import pytest

from engine.policy.policies import batch, drawn, drawn_values, through_json
from trimtab.engine.policy.drift import MOST_VALUES, DriftSignal
from trimtab.engine.policy.policy import Batch
from trimtab.engine.policy.segmented import Segmented
from trimtab.engine.policy.thompson import Thompson
from trimtab.engine.policy.watched import Watched, WatchedSegments
from trimtab.schemas.drift import Adwin, Drift, PageHinkley

ADWIN, PAGE_HINKLEY = Adwin(detector="adwin"), PageHinkley(detector="pageHinkley")


def first_change(spec: Drift, before: float, after: float, size: int, seed: int) -> int | None:
    """Gives how many batches after a change, at batch 100, it was seen; negative where before. Looks for 200 more."""
    rng, signal = np.random.default_rng(seed), DriftSignal(1, spec)
    for step in range(300):
        gained = int(rng.binomial(size, before if step < 100 else after))
        if signal.update(batch([(size, gained)])):
            return step - 100
    return None


@pytest.mark.parametrize(("spec", "looks"), [(ADWIN, 25), (PAGE_HINKLEY, 5)])
def test_a_fall_is_seen_and_not_before_it_happens(spec: Drift, looks: int) -> None:
    for seed in range(5):
        seen = first_change(spec, 0.9, 0.6, 200, seed)
        assert seen is not None
        assert 0 <= seen < looks


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("spec", [ADWIN, PAGE_HINKLEY])
def test_without_a_change_there_is_seldom_an_alarm(spec: Drift, share: float) -> None:
    alarms = [first_change(spec, share, share, 500, seed) for seed in range(20)]
    assert sum(alarm is not None for alarm in alarms) <= 2


def test_page_hinkley_sees_a_small_share_double() -> None:
    seen = [first_change(PAGE_HINKLEY, 0.01, 0.02, 500, seed) for seed in range(10)]
    assert all(delay is not None and delay >= 0 for delay in seen)


def test_small_batches_are_gathered_into_looks() -> None:
    signal = DriftSignal(1, PageHinkley(detector="pageHinkley", min_trials=100))
    for _ in range(25):
        signal.update(batch([(10, 5)]))
    arm = signal.snapshot()["arms"][0]
    assert len(arm["values"]) == 2
    assert arm["look"] == [50, 25, 25]


def test_only_the_arm_that_changed_is_told() -> None:
    rng, signal, told = np.random.default_rng(1), DriftSignal(3, PAGE_HINKLEY), set()
    for step in range(150):
        told.update(signal.update(drawn(rng, [0.5, 0.5 if step < 100 else 0.2, 0.8], [1 / 3] * 3, 900)))
    assert told == {1}


@pytest.mark.parametrize("spec", [ADWIN, PAGE_HINKLEY])
def test_real_values_are_judged_in_their_own_unit(spec: Drift) -> None:
    rng, signal = np.random.default_rng(1), DriftSignal(2, spec)
    means = [(500.0, 500.0)] * 100 + [(500.0, 510.0)] * 50
    told = [signal.update(drawn_values(rng, each, [0.5, 0.5], 400)) for each in means]
    assert all(not changed for changed in told[:100])
    assert [1] in told[100:]


@pytest.mark.parametrize("spec", [ADWIN, PAGE_HINKLEY])
def test_a_restored_signal_continues_as_if_it_had_never_stopped(spec: Drift) -> None:
    rng, signal = np.random.default_rng(2), DriftSignal(1, spec)
    shares = [0.5] * (MOST_VALUES + 70) + [0.2] * 60
    restored_at = {20, MOST_VALUES + 30}
    lived = DriftSignal(1, spec)
    changes = []
    for step, share in enumerate(shares):
        came = batch([(200, int(rng.binomial(200, share)))])
        if step in restored_at:
            snapshot = through_json(signal.snapshot())
            signal = DriftSignal(1, spec)
            signal.restore(snapshot)
        changes.append((signal.update(came), lived.update(came)))
    assert all(one == other for one, other in changes)
    assert any(one for one, _ in changes[MOST_VALUES + 70 :])
    assert all(len(arm["values"]) < MOST_VALUES for arm in signal.snapshot()["arms"])


def changing(keep: float, batches: int = 12) -> Watched:
    policy = Watched(Thompson(2, real_valued=False), DriftSignal(2, PageHinkley(detector="pageHinkley", keep=keep)))
    for gained in [450] * 60 + [150] * batches:
        policy.update(batch([(500, gained), (500, 250)]))
    return policy


def test_an_arm_that_fell_is_overcome_at_once_where_its_past_is_forgotten() -> None:
    plain = Thompson(2, real_valued=False)
    for gained in [450] * 60 + [150] * 12:
        plain.update(batch([(500, gained), (500, 250)]))
    assert plain.shares([True, True], 0, 1)[0] > 0.99
    assert changing(keep=0.0).shares([True, True], 0, 1)[1] > 0.99


def test_keep_says_what_stays_of_the_past() -> None:
    forgotten, halved, kept = (changing(keep, 6).snapshot()["policy"]["trials"][0] for keep in (0.0, 0.5, 1.0))
    assert kept == 66 * 500
    assert forgotten < halved < kept


def test_a_signal_in_one_segment_leaves_the_others_alone() -> None:
    policy = WatchedSegments(Segmented(2), lambda: DriftSignal(2, PAGE_HINKLEY))
    for step in range(80):
        fell = batch([(500, 450 if step < 60 else 150), (500, 250)])
        policy.update_in("fell", fell)
        policy.update_in("stood", batch([(500, 450), (500, 250)]))
        policy.update(batch([(100, 90), (100, 50)]))
    segments = policy.snapshot()["policy"]["segments"]
    assert segments["stood"]["trials"] == [40_000, 40_000]
    assert segments[""]["trials"] == [8_000, 8_000]
    assert segments["fell"]["trials"][0] < 12_000
    assert segments["fell"]["trials"][1] == 40_000


def test_watched_segments_continue_from_a_snapshot() -> None:
    def make() -> WatchedSegments:
        return WatchedSegments(Segmented(2), lambda: DriftSignal(2, PAGE_HINKLEY))

    def came(step: int) -> Batch:
        return batch([(500, 450 if step < 50 else 150), (500, 250)])

    lived = make()
    for step in range(45):
        lived.update_in("a", came(step))
        lived.update(came(0))
    restored = make()
    restored.restore(through_json(lived.snapshot()))
    for step in range(45, 70):
        for policy in (lived, restored):
            policy.update_in("a", came(step))
        assert restored.snapshot() == lived.snapshot()
        assert restored.shares_in("a", [True, True], 0, 1) == lived.shares_in("a", [True, True], 0, 1)
    assert lived.snapshot()["policy"]["segments"]["a"]["trials"][0] < 70 * 500
