"""An order that no worker takes, and an audit log that is not there."""

import pytest

from control.api.api_rig import ApiRig, chain
from trimtab.control.audit_log import AuditLog, Author
from trimtab.control.steer import NotTaken, steer
from trimtab.schemas.audit import AuditEntry
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.evidence import Command
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE
from trimtab.streams.embedded import EmbeddedKafka

pytestmark = [pytest.mark.integration, pytest.mark.long]
PAUSE = Command(release="checkout", action="pause", reason="lunch", actor="ada")


def test_an_order_that_no_worker_takes_is_answered_by_where_its_decision_will_be() -> None:
    with ApiRig() as rig:
        rig.decide(*chain(1, 3))
        found = rig.serve().post("/api/v1/releases/checkout/commands", {"action": "pause", "reason": "lunch"})
        assert (found.status, found.headers["location"]) == (202, "/api/v1/releases/checkout/decisions/7-1")
        assert "it stands in trimtab.evidence/0 at 0" in found.json["detail"]


def test_what_cannot_be_recorded_is_told_and_given_all_the_same() -> None:
    told: list[tuple[AuditEntry, str]] = []
    with EmbeddedKafka({EVIDENCE: 1, DECISIONS: 1, DEAD_LETTERS: 1}) as kafka:
        by = Author(unrecorded=lambda entry, error: told.append((entry, error)))
        with pytest.raises(NotTaken):
            steer(PAUSE, kafka=kafka.bootstrap, wait_s=0.2, by=by)
    [(entry, error)] = told
    assert (entry.actor, entry.action, entry.outcome) == ("ada", "pause", "waiting")
    assert "no topic trimtab.audit; a worker creates it when it starts" in error


def test_an_entry_for_a_kafka_that_is_away_is_refused_in_time() -> None:
    with pytest.raises(Unreachable, match=r"kafka at 127\.0\.0\.1:1"):
        AuditLog(KafkaConnection(bootstrap="127.0.0.1:1")).append(
            AuditEntry(time_ms=1, actor="ada", source="cli", release="checkout", action="pause", outcome="done")
        )
