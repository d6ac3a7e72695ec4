"""A Redis that is killed, comes back empty, is slow, or half-open."""

import pytest

from faults.fault_proxy import FaultProxy
from faults.fault_rig import FaultRig
from faults.test_workers import pause
from trimtab.streams.local import LocalRedis

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_redis_is_killed_and_comes_back_empty() -> None:
    with FaultRig() as rig:
        (worker,) = rig.begin()
        rig.redis.kill()
        pause(5)
        rig.redis.start()
        rig.recovers("Redis killed, restarted empty")
        assert worker.restarts == 0
        rig.settle()


def test_redis_answers_two_hundred_milliseconds_late() -> None:
    redis = LocalRedis()
    with FaultProxy(redis.port) as proxy, FaultRig(redis=redis, redis_url=f"redis://127.0.0.1:{proxy.port}/0") as rig:
        (worker,) = rig.begin()
        proxy.delay(0.2)
        rig.recovers("Redis slow (+200 ms)")
        pause(5)
        rig.recovers("Redis slow for 5 s")
        proxy.heal()
        rig.recovers("Redis fast again")
        assert worker.restarts == 0
        rig.settle()


def test_redis_is_half_open() -> None:
    redis = LocalRedis()
    with FaultProxy(redis.port) as proxy, FaultRig(redis=redis, redis_url=f"redis://127.0.0.1:{proxy.port}/0") as rig:
        (worker,) = rig.begin()
        proxy.black_hole()
        pause(10)
        proxy.heal()
        rig.recovers("Redis half-open for 10 s")
        assert worker.restarts == 0
        rig.settle()


def test_connections_to_redis_are_cut() -> None:
    redis = LocalRedis()
    with FaultProxy(redis.port) as proxy, FaultRig(redis=redis, redis_url=f"redis://127.0.0.1:{proxy.port}/0") as rig:
        (worker,) = rig.begin()
        for _ in range(5):
            proxy.cut()
            pause(0.3)
        rig.recovers("connections to Redis cut")
        assert worker.restarts == 0
        rig.settle()
