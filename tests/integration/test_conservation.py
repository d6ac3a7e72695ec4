"""Law 4: events in = counted + late + dead-lettered, whatever happens to the worker."""

import signal
import time
from collections import Counter

import msgspec
import pytest

from integration.publisher import Publisher
from integration.worker_rig import WorkerRig
from trimtab.schemas.telemetry import Outcome, Response
from trimtab.schemas.topics import TELEMETRY

pytestmark = pytest.mark.integration


@pytest.mark.long
def test_a_worker_killed_in_mid_run_counts_every_event_once_or_as_late() -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publishers = [Publisher(rig.kafka, seed) for seed in (1, 2)]
        try:
            for target in (2_000, 6_000):
                rig.await_counted(target)
                worker.end(by=signal.SIGKILL)
                worker = rig.start_worker()
            rig.await_counted(10_000)
        finally:
            for publisher in publishers:
                publisher.stop()
        sent = sum((publisher.sent for publisher in publishers), Counter())
        decision = rig.await_counted(sent["timely"] + sent["late"])
        assert decision.seen.counted + decision.seen.late == sent["timely"] + sent["late"]
        # More may be late than were sent late: on a machine that stalls for seconds, timely ones arrive late.
        assert decision.seen.late >= sent["late"]
        refused = rig.await_refused(sent["unknown"])
        assert sum(letter.events for letter in refused) == sent["unknown"]
        assert {letter.code for letter in refused} == {"unknown-release"}
        _no_decision_contradicts_another(rig)


def _no_decision_contradicts_another(rig: WorkerRig) -> None:
    """Decisions that a restart made again are the same to the last bit, and revisions only grow otherwise."""
    by_revision: dict[tuple[int, int], bytes] = {}
    for decision in rig.decisions():
        payload = msgspec.json.encode(decision)
        assert by_revision.setdefault(decision.id, payload) == payload


def test_a_poison_message_goes_to_the_dead_letters_and_the_stream_goes_on() -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        good = Response(release="checkout", variant="v1", time_ms=int(time.time() * 1000), duration_ms=3, status=200)
        ahead = msgspec.structs.replace(good, time_ms=good.time_ms + 3_600_000)
        for payload in (
            b"\x00\xff not telemetry",
            b'{"kind":"nonsense","release":"checkout","variant":"v1","time_ms":1}',
            msgspec.json.encode([good, ahead]),
            msgspec.json.encode(good),
        ):
            rig.publish(TELEMETRY, payload, partition=2)
        rig.await_counted(2)
        letters = sorted(rig.dead_letters(), key=lambda letter: letter.offset)
        assert [(at.source, at.partition, at.offset, at.code) for at in letters] == [
            (TELEMETRY, 2, 0, "undecodable"),
            (TELEMETRY, 2, 1, "undecodable"),
            (TELEMETRY, 2, 2, "future"),
        ]
        rig.await_refused_report({"undecodable": 2, "future": 1})


@pytest.mark.long
def test_an_outcome_that_is_no_share_goes_to_the_dead_letters_and_the_others_of_its_message_count() -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply(more="objective: {metric: converted}")
        rig.await_counted(0)
        share = Outcome(
            release="checkout", variant="v1", time_ms=int(time.time() * 1000), metric="converted", value=1.0
        )  # fmt: skip
        others = [msgspec.structs.replace(share, value=value) for value in (1_000_000.0, -1.0)]
        rig.publish(TELEMETRY, msgspec.json.encode([share, *others, share]), partition=2)
        (letter,) = rig.await_refused(2)
        assert (letter.source, letter.partition, letter.offset, letter.code) == (TELEMETRY, 2, 0, "bad-value")
        assert (letter.release, letter.events, letter.payload) == ("checkout", 2, b"")
        seen = rig.await_counted(2)
        assert (seen.arms[0].trials, seen.arms[0].reward_sum, seen.seen.dead_lettered) == (2, 2.0, 2)
        rig.await_refused_report({"bad-value": 2})
