"""Labels all the way: from a model's answer and its late label to the decisions on its release."""

import random
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from conftest import Eventually
from integration.worker_rig import WorkerRig
from sidecar.program import Program
from trimtab.client import Labels, RoutingKey, Telemetry
from trimtab.control.apply import apply_file
from trimtab.schemas.decision import Phase
from trimtab.streams.backend import Backend

pytestmark = [pytest.mark.integration, pytest.mark.long]

RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: digits}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  outcomes: [correct, log_loss, brier, calibration_error]
  guardrails:
    - {metric: outcome, name: correct, min: 0.7}
  strategy: {type: canary, steps: [5000], hold: 1h}
"""


REQUESTS = 600


def kept(rig: WorkerRig) -> int:
    """How many requests the table has."""
    with closing(sqlite3.connect(rig.folder / "labels.db")) as table, suppress(sqlite3.OperationalError):
        return int(table.execute("SELECT count(*) FROM requests").fetchone()[0])
    return 0


def labels_program(rig: WorkerRig, name: str) -> Program:
    command = ["-m", "trimtab.control.cli", "labels", "--kafka", rig.kafka, "--table", str(rig.folder / "labels.db")]
    session = ["TRIMTAB_KAFKA__SESSION_TIMEOUT_S=2", "TRIMTAB_KAFKA__HEARTBEAT_S=0.4"]
    return Program(rig.folder / f"{name}.log", "/usr/bin/env", *session, sys.executable, *command)


class Traffic:
    """A model of which v1 is right and v2 most often wrong; what is true is told when the test says."""

    def __init__(self, telemetry: Telemetry, labels: Labels) -> None:
        self._telemetry, self._labels, self._draws = telemetry, labels, random.Random(5)
        self._number = 0
        self._waiting: list[tuple[str, str]] = []

    def answer(self, requests: int) -> None:
        for _ in range(requests):
            self._number += 1
            variant = ("v1", "v2")[self._number % 2]
            key, request = RoutingKey("digits", variant, "", 0, 0), f"r{self._number}"
            self._telemetry.request(key)
            self._telemetry.response(key, 9.0, 200)
            truth = str(self._draws.randrange(10))
            is_wrong = variant == "v2" and self._draws.random() < 0.8
            self._labels.predicted(key, request, label="x" if is_wrong else truth, probabilities={truth: 0.6})
            self._waiting.append((request, truth))
        self._labels.flush()

    def tell(self) -> None:
        for request, truth in self._waiting:
            self._labels.labelled(request, label=truth)
        self._waiting.clear()
        self._labels.flush()


def test_a_model_whose_answers_turn_out_wrong_is_rolled_back_on_accuracy_alone(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        file = Path(rig.folder / "digits.yaml")
        file.write_text(RELEASE)
        apply_file(file, kafka=rig.kafka, wait_s=120)
        service = labels_program(rig, "labels-1")
        try:
            with Telemetry(rig.kafka, publisher="digits") as telemetry, Labels(rig.kafka) as labels:
                traffic = Traffic(telemetry, labels)
                traffic.answer(REQUESTS)
                eventually(lambda: kept(rig) == REQUESTS, what="all predictions in the table")
                # The embedded broker does not miss a consumer that is killed; genuine Kafka does, after a session.
                is_embedded = rig.backend is Backend.EMBEDDED
                service.end(by=signal.SIGTERM if is_embedded else signal.SIGKILL)
                service = labels_program(rig, "labels-2")

                def is_rolled_back() -> bool:
                    traffic.tell()
                    traffic.answer(4)
                    decision = rig.decision("digits")
                    return decision is not None and decision.phase is Phase.ROLLED_BACK

                eventually(is_rolled_back, what="a rollback")
                assert (labels.stats.dropped, labels.stats.invalid) == (0, 0)
            decision = rig.decision("digits")
            assert decision is not None
            assert decision.rule.startswith("guardrail: v2 excluded, outcome correct"), decision.rule
        finally:
            code = service.end(by=signal.SIGTERM)
        assert code == 0, service.output
