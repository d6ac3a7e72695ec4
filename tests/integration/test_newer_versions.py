"""Records of a later release of Trimtab, in front of a worker of this one: parked whole, never half-read."""

import time

import msgspec
import pytest

from integration.worker_rig import LOOK_S, READY_S, WorkerRig
from trimtab.schemas.dead_letter import DeadLetter
from trimtab.schemas.evidence import VERSION, Command
from trimtab.schemas.telemetry import Response
from trimtab.schemas.topics import EVIDENCE, TELEMETRY, evidence_partition

pytestmark = [pytest.mark.integration, pytest.mark.long]

EVIDENCE_PARTITIONS = 4


def newer(record: msgspec.Struct, **changes: object) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(record)
    return fields | {"v": 99} | changes


def await_letters(rig: WorkerRig, count: int) -> list[DeadLetter]:
    """Gives the dead letters once there are so many."""
    end_s = time.monotonic() + READY_S
    while len(letters := rig.dead_letters()) < count:
        assert time.monotonic() < end_s, f"{count} letters expected, found: {letters}"
        time.sleep(LOOK_S)  # between two looks, not instead of one
    return letters


def test_newer_records_are_parked_with_their_reason_and_the_stream_goes_on() -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        place = evidence_partition("checkout", EVIDENCE_PARTITIONS)
        good = Response(release="checkout", variant="v1", time_ms=int(time.time() * 1000), duration_ms=3, status=200)
        abort = Command(release="checkout", action="abort")
        telemetry = [
            msgspec.json.encode(newer(good)),
            msgspec.json.encode([good, newer(good, kind="teleport")]),
        ]
        evidence = [msgspec.msgpack.encode(newer(abort)), msgspec.msgpack.encode(newer(abort, action="levitate"))]
        for payload in evidence:
            rig.publish(EVIDENCE, payload, partition=place)
        for payload in [*telemetry, msgspec.json.encode(good)]:
            rig.publish(TELEMETRY, payload, partition=2)
        decision = rig.await_counted(1)
        assert decision.seen.counted == 1
        assert decision.phase == "progressing"  # an abort that is half-read would have rolled it back
        letters = sorted(await_letters(rig, 4), key=lambda letter: (letter.source, letter.offset))
        assert [(letter.source, letter.code, letter.payload, letter.reason) for letter in letters] == [
            *((EVIDENCE, "newer-version", payload, f"an evidence record of version 99: expected at most {VERSION}")
              for payload in evidence),
            *((TELEMETRY, "newer-version", payload, "a telemetry message of version 99: expected at most 1")
              for payload in telemetry),
        ]  # fmt: skip
