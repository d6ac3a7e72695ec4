"""Decisions made anew from the evidence log, as docs/operations.md describes it."""

import pytest
from confluent_kafka.admin import AdminClient

from faults.fault_rig import READY_S, FaultRig
from streams.topic_log import read_topic
from trimtab.schemas.topics import DECISIONS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def test_snapshots_are_deleted_and_every_decision_is_made_again_to_the_bit() -> None:
    with FaultRig() as rig:
        (worker,) = rig.begin()
        rig.await_moves(30, moves=20)
        assert worker.end() == 0
        admin = AdminClient({"bootstrap.servers": rig.kafka.bootstrap})
        admin.delete_topics(["trimtab-snapshots-changelog"])["trimtab-snapshots-changelog"].result(10)
        again = rig.start_worker()
        rig.await_moves(READY_S)
        # The first attempt finds a commit that is ahead of the snapshots that are no more, sets it back, and ends.
        assert again.restarts >= 1
        account = rig.settle()
        assert len(read_topic(rig.kafka.bootstrap, DECISIONS)) > len(account.decisions)
