"""What a worker decided on real servers is decided again, from the topic and from a file, to the last bit."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Eventually
from integration.publisher import Publisher
from integration.worker_rig import RELEASE, WorkerRig

# On genuine servers alone: kills and rebalances take the embedded broker half a minute.
pytestmark = [pytest.mark.integration, pytest.mark.local]


def trimtab(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "trimtab.control.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _revisions(rig: WorkerRig) -> set[int]:
    return {decision.revision for decision in rig.decisions()}


def test_what_a_worker_decided_replays_from_topic_and_file_and_explains_itself(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publisher = Publisher(rig.kafka, seed=5)
        eventually(lambda: len(rig.decisions()) > 10, what="decisions")
        worker.end(by=signal.SIGKILL)  # its successor decides some of it anew
        rig.start_worker()
        eventually(lambda: len(_revisions(rig)) > 20, what="decisions of the successor")
        publisher.stop()
        newest = rig.await_counted(publisher.sent["timely"] + publisher.sent["late"])

        (topic,) = json.loads(trimtab("replay", "--kafka", rig.kafka, "--release", "checkout", "-o", "json"))
        assert topic["differing"] == 0
        assert topic["identical"] > 20
        file = rig.folder / "checkout.log"
        trimtab("replay", "--kafka", rig.kafka, "--release", "checkout", "--save", file)
        (saved,) = json.loads(trimtab("replay", "--file", file, "-o", "json"))
        assert saved["identical"] >= topic["identical"]
        assert saved["differing"] == 0

        told = trimtab("explain", "checkout", "--kafka", rig.kafka, "--redis", rig.redis)
        assert f"{newest.seen.counted} events counted, {newest.seen.late} late" in told
        revision = str(newest.revision)
        by_number = trimtab("explain", "checkout", "--revision", revision, "--kafka", rig.kafka, "-o", "json")
        assert json.loads(by_number)["decision"]["weights"] == newest.weights

        other = rig.folder / "other.yaml"
        other.write_text(RELEASE.replace("NAME", "checkout").replace("minWeight: 2000", "minWeight: 4000"))
        (whatif,) = json.loads(trimtab("replay", "--file", file, "--with", other, "-o", "json"))
        estimates = whatif["worth"]["estimates"]
        low, high = estimates["dr"]["interval"] or [1.0, 1.0]
        assert low <= estimates["dr"]["value"] <= high
