"""A worker's life: ready when it means it, gone when it is told to, ended when it stands still."""

import json
import re
import signal
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

import pytest

from conftest import Eventually
from integration.worker_rig import READY_S, WorkerRig
from sidecar.program import Program
from trimtab.schemas import evidence
from trimtab.schemas.topics import EVIDENCE
from trimtab.streams.backend import Backend

pytestmark = [pytest.mark.integration, pytest.mark.long]

HEALTH = ("--health", "127.0.0.1:0")
STOP_S = 30.0
"""It gives itself four seconds; who waited for Kafka, or for Faust without it, would wait without end."""
BLOCKED_DECIDE = """
import asyncio
from trimtab.control.cli import app
from trimtab.streams.decide import Decide
from trimtab.streams.pulse import Pulse

async def consume(self, stream=None):
    await asyncio.Event().wait()

async def ended(self, stream):
    return

Decide.consume = {consume}
Pulse.beat_forever = consume  # the loop of a slow machine may stand for as long as the partition is to
app()
"""

SLOW_STOP = """
import asyncio
from trimtab.control.cli import app
from trimtab.streams import worker
from trimtab.streams.publication import Publication

worker._STOP_S = 3_600

async def close(self):
    print("closing", flush=True)
    await asyncio.Event().wait()

Publication.close = close
app()
"""
SIGNALLED_AT_ITS_END = """
import asyncio, os, signal
from trimtab.control.cli import app

run = asyncio.run

def run_and_signal(main):
    code = run(main)
    print("one more signal", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    return code

asyncio.run = run_and_signal
app()
"""


def asked(worker: Program, path: str) -> tuple[int, dict[str, Any]]:
    """Gives status and conditions; 0 and nothing while the worker does not listen yet."""
    told = re.search(r'"port": (\d+)', worker.output)
    assert worker.is_running, worker.output
    if told is None:
        return 0, {}
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{told[1]}{path}", timeout=60) as answer:
            return answer.status, json.load(answer)["conditions"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["conditions"]


def await_ready(worker: Program, eventually: Eventually) -> None:
    eventually(lambda: asked(worker, "/readyz")[0] == HTTPStatus.OK, what="ready", timeout_s=READY_S)


def test_a_worker_becomes_ready_and_stops_when_told(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH)
        await_ready(worker, eventually)
        assert all(condition["met"] for condition in asked(worker, "/livez")[1].values())
        assert worker.end(timeout_s=STOP_S) == 0
        assert "worker_stopped" in worker.output


def test_a_worker_without_redis_is_alive_and_not_ready_and_says_so(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH)
        await_ready(worker, eventually)
        rig.cache.stop()
        eventually(lambda: asked(worker, "/readyz")[0] == HTTPStatus.SERVICE_UNAVAILABLE, what="not ready")
        conditions = asked(worker, "/readyz")[1]
        assert [name for name, condition in conditions.items() if not condition["met"]] == ["redis"]
        assert conditions["redis"]["reason"]
        assert asked(worker, "/livez")[0] == HTTPStatus.OK
        rig.cache.start()
        await_ready(worker, eventually)


def test_a_worker_without_kafka_is_alive_and_not_ready_and_stops_when_told(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH)
        await_ready(worker, eventually)
        rig.broker.down()
        eventually(lambda: not asked(worker, "/readyz")[1]["kafka"]["met"], what="not ready")
        assert asked(worker, "/livez")[0] == HTTPStatus.OK
        assert worker.end(timeout_s=STOP_S) == 0


@pytest.mark.parametrize("word", ["health_listening", "kafka_reached"], ids=["at the start", "while joining"])
def test_a_worker_that_is_not_there_yet_stops_when_told(word: str, eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH)
        eventually(lambda: word in worker.output, what=word, timeout_s=READY_S)
        assert worker.end(by=signal.SIGINT, timeout_s=STOP_S) == 0


def test_a_second_signal_ends_a_worker_at_once(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH, code=SLOW_STOP)
        await_ready(worker, eventually)
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: "closing" in worker.output, what="first signal heard")
        assert worker.end() == 1
        assert "stop_cut_short" in worker.output


def test_a_signal_to_a_worker_that_has_stopped_changes_nothing(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH, code=SIGNALLED_AT_ITS_END)
        await_ready(worker, eventually)
        assert worker.end(timeout_s=STOP_S) == 0
        assert "one more signal" in worker.output


def test_a_partition_that_stands_while_its_log_grows_ends_the_worker_with_a_line_that_names_it() -> None:
    with WorkerRig() as rig:
        code = BLOCKED_DECIDE.format(consume="consume")
        worker = rig.start_worker(code=code, settings=["TRIMTAB_STALL_S=2"])
        end_s = time.monotonic() + READY_S
        tick = evidence.encode(evidence.Tick())
        while worker.is_running:
            rig.publish(EVIDENCE, tick, partition=1)
            assert time.monotonic() < end_s, worker.output
        assert worker.wait() == 1
        assert re.search(
            r"Stalled: trimtab\.evidence/1 stands at offset 0, its log ends at \d+, \d+ ahead", worker.output
        )


def test_an_agent_that_has_ended_ends_the_worker() -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(code=BLOCKED_DECIDE.format(consume="ended"))
        assert worker.wait(READY_S) == 1
        assert "has ended" in worker.output


def test_an_address_for_health_that_is_taken_or_wrong_is_refused(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        first = rig.start_worker(*HEALTH)
        await_ready(first, eventually)
        told = re.search(r'"port": (\d+)', first.output)
        assert told
        second = rig.start_worker("--health", f"127.0.0.1:{told[1]}")
        assert second.wait(READY_S) == 2
        assert "health_unserved" in second.output
        third = rig.start_worker("--health", "nonsense")
        assert third.wait(READY_S) == 2
        assert "expected HOST:PORT" in third.output


@pytest.mark.local
def test_of_two_workers_with_one_name_the_older_ends_and_says_why(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        _skip_unless_local(rig)
        older = rig.start_worker(*HEALTH, settings=["TRIMTAB_KAFKA__INSTANCE=alpha"])
        await_ready(older, eventually)
        newer = rig.start_worker(*HEALTH, settings=["TRIMTAB_KAFKA__INSTANCE=alpha"])
        assert older.wait(READY_S) == 1
        assert "no longer knows this worker as kafka.instance 'alpha'" in older.output
        await_ready(newer, eventually)
        third = rig.start_worker(*HEALTH, settings=["TRIMTAB_KAFKA__INSTANCE=beta"])
        await_ready(third, eventually)
        await_ready(newer, eventually)


@pytest.mark.local
def test_a_static_member_that_was_killed_has_its_part_back_without_waiting_for_its_session(
    eventually: Eventually,
) -> None:
    settings = ["TRIMTAB_KAFKA__INSTANCE=alpha", "TRIMTAB_KAFKA__SESSION_TIMEOUT_S=85"]
    with WorkerRig() as rig:
        _skip_unless_local(rig)
        first = rig.start_worker(*HEALTH, settings=settings)
        await_ready(first, eventually)
        first.end(by=signal.SIGKILL)
        second = rig.start_worker(*HEALTH, settings=settings)
        eventually(lambda: asked(second, "/readyz")[0] == HTTPStatus.OK, what="ready before that is over", timeout_s=70)


def _skip_unless_local(rig: WorkerRig) -> None:
    if rig.backend is not Backend.LOCAL:
        pytest.skip(f"backend {rig.backend}: static membership needs genuine Kafka")
