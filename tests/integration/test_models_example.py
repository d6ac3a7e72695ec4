"""The script that a data scientist starts from, as its first lines say: a corrupted model, and its fix."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from integration.test_labels import labels_program
from integration.worker_rig import WorkerRig
from trimtab.control.apply import apply_file
from trimtab.schemas.decision import Phase

pytestmark = [pytest.mark.integration, pytest.mark.long]

EXAMPLES = Path(__file__).parents[2] / "examples"
HURRY = ["--seconds", "60", "--rps", "500"]


def first_release(rig: WorkerRig, *arguments: str) -> str:
    servers = {"TRIMTAB_KAFKA__BOOTSTRAP": rig.kafka, "TRIMTAB_REDIS__URL": rig.redis}
    ended = subprocess.run(
        [sys.executable, EXAMPLES / "models_first_release.py", *HURRY, *arguments],
        env={**os.environ, **servers}, capture_output=True, text=True, timeout=110, check=False,  # noqa: TID251
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def retry(rig: WorkerRig) -> None:
    command = ["retry", "digits", "--reason", "the labels are mended", "--kafka", rig.kafka]
    subprocess.run([sys.executable, "-m", "trimtab.control.cli", *command], check=True, capture_output=True, timeout=60)


@pytest.mark.timeout(240)
def test_a_first_release_is_rolled_back_with_corrupted_labels_and_promoted_without() -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        file = rig.folder / "models-canary.yaml"
        file.write_text((EXAMPLES / "models-canary.yaml").read_text().replace("hold: 10m", "hold: 1s"))
        apply_file(file, kafka=rig.kafka, wait_s=120)
        service = labels_program(rig, "labels")
        try:
            corrupted = first_release(rig, "--corrupt")
            rolled_back = rig.decision("digits")
            retry(rig)
            mended = first_release(rig)
            promoted = rig.decision("digits")
        finally:
            service.end(by=signal.SIGTERM)
    assert rolled_back is not None
    assert promoted is not None
    assert (rolled_back.phase, promoted.phase) == (Phase.ROLLED_BACK, Phase.PROMOTED), corrupted + mended
    assert rolled_back.rule.startswith("guardrail: v2 excluded, outcome correct"), rolled_back.rule
    assert promoted.weights == {"v1": 0, "v2": 10_000}
    assert "rolled_back: {'v1': 10000, 'v2': 0}" in corrupted
    assert "promoted: {'v1': 0, 'v2': 10000}" in mended
