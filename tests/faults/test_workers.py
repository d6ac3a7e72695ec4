"""Workers that are killed, frozen, added and taken away under load."""

import random
import signal
import threading

import pytest

from faults.fault_rig import FaultRig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

_SESSION_S = 6.0


def pause(seconds: float) -> None:
    """Lets a fault last."""
    threading.Event().wait(seconds)


def test_a_worker_killed_twenty_times_at_random_moments() -> None:
    draws = random.Random(20)
    with FaultRig() as rig:
        (worker,) = rig.begin()
        for _ in range(20):
            worker.kill()
            pause(draws.uniform(0.2, 6.0))
        worker.kill()
        rig.recovers("worker killed (-9)")
        assert worker.restarts >= 20
        rig.settle()


def test_a_worker_frozen_past_its_session_and_woken() -> None:
    with FaultRig() as rig:
        (frozen,) = rig.begin()
        rig.start_worker()
        rig.await_moves(30, moves=5)
        frozen.send(signal.SIGSTOP)
        try:
            rig.recovers("worker frozen, another one takes over")
            pause(_SESSION_S)
        finally:
            frozen.send(signal.SIGCONT)
        rig.recovers("frozen worker woken")
        rig.await_moves(30, moves=5)
        rig.settle()


def test_a_worker_frozen_alone_and_woken() -> None:
    with FaultRig() as rig:
        (frozen,) = rig.begin()
        frozen.send(signal.SIGSTOP)
        pause(2 * _SESSION_S)
        frozen.send(signal.SIGCONT)
        rig.recovers("only worker frozen and woken")
        rig.settle()


def test_one_worker_is_added_and_another_one_killed() -> None:
    with FaultRig() as rig:
        (first,) = rig.begin()
        rig.start_worker()
        rig.recovers("worker added")
        pause(3)
        first.end(by=signal.SIGKILL)
        rig.recovers("one of two workers killed (-9)")
        rig.settle()
