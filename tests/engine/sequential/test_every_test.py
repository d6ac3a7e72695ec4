"""What holds for every test: snapshots, peeks, empty and extreme looks."""

import json
import math

import msgspec
import pytest

from engine.sequential.every_test import KINDS, Kind

every = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])


@every
def test_a_test_goes_on_from_a_snapshot_as_if_nothing_had_happened(kind: Kind) -> None:
    for looks in (0, 1, 30):
        test, restored = kind.fed(looks), kind.make()
        snapshot = test.snapshot()
        restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(json.loads(json.dumps(snapshot)))))
        for look in kind.looks(20, seed=2):
            for one in (test, restored):
                one.update(look)
            assert restored.evidence() == test.evidence()
            assert restored.estimate() == test.estimate()
        assert restored.snapshot() == test.snapshot()


@every
def test_what_a_test_does_next_does_not_change_its_snapshot(kind: Kind) -> None:
    test = kind.fed(20)
    snapshot = test.snapshot()
    before = json.dumps(snapshot)
    restored = kind.make()
    restored.restore(snapshot)
    for look in kind.looks(3):
        test.update(look)
        restored.update(look)
    assert json.dumps(snapshot) == before


@every
def test_a_peek_gives_what_the_look_would_and_leaves_no_trace(kind: Kind) -> None:
    for looks in (0, 1, 20):
        test = kind.fed(looks)
        for look in (*kind.looks(5, seed=3), *kind.empty):
            before, evidence, estimate = test.snapshot(), test.evidence(look), test.estimate(look)
            assert test.snapshot() == before
            test.update(look)
            assert test.evidence() == evidence
            assert test.estimate().n == estimate.n
            assert test.estimate().value == (estimate.value and pytest.approx(estimate.value))
            assert test.estimate().is_within == estimate.is_within


@every
def test_looks_that_tell_nothing_are_no_evidence(kind: Kind) -> None:
    test = kind.fed(30)
    before = test.evidence()
    for look in kind.empty:
        assert test.evidence(look) == before
        test.update(look)
        assert test.evidence() == before


@every
def test_no_evidence_before_the_first_look(kind: Kind) -> None:
    assert kind.make().evidence() == 0
    assert kind.make().estimate().n == 0


@every
def test_extreme_looks_stay_finite(kind: Kind) -> None:
    for look in kind.extreme:
        test = kind.fed(30)
        for _ in range(3):
            assert math.isfinite(test.evidence(look))
            test.update(look)
            assert math.isfinite(test.evidence())
            assert math.isfinite(test.estimate().value or 0)
        for after in kind.looks(5):
            test.update(after)
            assert math.isfinite(test.evidence())


@every
def test_a_harmless_release_gives_no_alarm(kind: Kind) -> None:
    test = kind.make()
    for look in kind.looks(2_000, seed=4):
        test.update(look)
        assert test.evidence() < math.log(1000)
