"""Releases follow the catalogue: what is revoked there loses its traffic within two seconds, and says why."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from integration.worker_rig import WorkerRig
from sidecar.program import Program
from trimtab.catalog.entry import Change
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.control.cli import app
from trimtab.control.release_view import Releases
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.release import parse_document
from trimtab.schemas.topics import TELEMETRY

pytestmark = [pytest.mark.integration, pytest.mark.long]
EXAMPLE = Path(__file__).parents[2] / "examples" / "models-digits.yaml"
SOON_S = 2.0
"""where an order by hand takes a second at most; on a slower machine twice as long as such an order"""
TRIES = 3
PATIENCE_S = 60.0
RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: NAME}
spec:
  baseline: v1
  variants:
  - {name: v1, target: "{model}-{version}-a", model: {ref: "digits:2"}}
  - {name: v2, target: "{model}-{version}-b", model: V2}
  strategy: {type: bandit}
"""
SPARE = """
kind: model
name: digits
version: "3"
restsOn: [run/forest-8]
performance: {accuracy: 0.93, p99_ms: 4, cost: 2}
"""


class FollowRig:
    """A worker, a catalogue, and whoever follows it."""

    def __init__(self, rig: WorkerRig) -> None:
        self.rig = rig
        self.url = f"sqlite:///{rig.folder / 'catalog.db'}"

    def trimtab(self, *words: str, code: int = 0) -> Result:
        environment = {
            "TRIMTAB_CATALOG__URL": self.url, "TRIMTAB_KAFKA__BOOTSTRAP": self.rig.kafka,
            "TRIMTAB_REDIS__URL": self.rig.redis,
        }  # fmt: skip
        done = CliRunner(env=environment).invoke(app, words)
        assert done.exit_code == code, done.stderr
        return done

    def revoke(self, ref: str, reason: str = "") -> None:
        """Writes it as `trimtab models revoke` does, or undoes it without a reason."""
        store = SqliteStore(self.rig.folder / "catalog.db")
        store.write(Change(revoked={ModelRef(ref): reason}))
        store.close()

    def apply(self, name: str, v2: str, code: int = 0) -> Result:
        file = self.rig.folder / f"{name}.yaml"
        file.write_text(RELEASE.replace("NAME", name).replace("V2", v2))
        return self.trimtab("apply", "-f", str(file), code=code)

    def give(self, name: str, share: int) -> float:
        """Gives v2 a share of the traffic, and lets the release go on; gives the seconds that such an order takes."""
        began_s = time.monotonic()
        self.trimtab("set-weights", name, f"v1={10_000 - share}", f"v2={share}", "--reason", "to begin with")
        return time.monotonic() - began_s

    def await_decision(self, name: str, is_it: Callable[[Decision], bool], within_s: float = PATIENCE_S) -> float:
        """Gives how long it took until the newest decision is one."""
        releases, began_s = Releases(self.rig.redis), time.monotonic()
        while True:
            view = releases.get(name, {})
            if view is not None and is_it(view.decision):
                return time.monotonic() - began_s
            assert time.monotonic() - began_s < within_s, view and view.decision
            time.sleep(0.01)  # between two looks, not instead of one

    def decision(self, name: str) -> Decision:
        found = self.rig.decision(name)
        assert found is not None
        return found

    def behind(self, answer: str) -> list[str]:
        """Gives what an answer came from."""
        return self.trimtab("models", "lineage", answer, "-o", "name").stdout.splitlines()

    def targets(self, name: str) -> list[str]:
        document = Releases(self.rig.redis).document(name)
        assert document is not None
        return [variant.at_proxy for variant in parse_document(document).spec.variants]


def is_there(_: Decision) -> bool:
    return True


@pytest.fixture(scope="module")
def follow() -> Iterator[FollowRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        follow = FollowRig(rig)
        spare = rig.folder / "spare.yaml"
        spare.write_text(SPARE)
        follow.trimtab("models", "register", "-f", str(EXAMPLE), "-f", str(spare))
        arguments = ["--kafka", rig.kafka, "--redis", rig.redis, "--catalog", follow.url]
        program = Program(
            rig.folder / "follow.log", sys.executable, "-m", "trimtab.control.cli", "models", "follow", *arguments
        )
        yield follow
        assert program.end(signal.SIGTERM) == 0, program.output


def test_a_revoked_data_set_takes_its_models_traffic_away_within_two_seconds(follow: FollowRig) -> None:
    follow.apply("digits", '{ref: "digits:1"}')
    follow.await_decision("digits", is_there)
    took_s, soon_s = list[float](), 0.0
    while not took_s or (took_s[-1] >= soon_s and len(took_s) < TRIES):  # others may have the processor
        if took_s:
            follow.revoke("dataset/labels-2026")
            follow.trimtab("retry", "digits", "--reason", "once more")
        soon_s = max(SOON_S, 2 * follow.give("digits", 4_000))
        assert follow.decision("digits").weights == {"v1": 6_000, "v2": 4_000}
        follow.revoke("dataset/labels-2026", "half of them were wrong")
        took_s.append(follow.await_decision("digits", lambda made: made.weights["v2"] == 0))
    made = follow.decision("digits")
    assert took_s[-1] < soon_s, took_s
    assert (made.phase, made.weights) == (Phase.ROLLED_BACK, {"v1": 10_000, "v2": 0})
    assert made.rule == "exclude by trimtab models: dataset/labels-2026 is revoked: half of them were wrong"
    follow.revoke("dataset/labels-2026")


def test_a_query_whose_model_is_revoked_means_the_next_one_which_begins_without_traffic(follow: FollowRig) -> None:
    follow.apply("letters", "{where: accuracy >= 0.9 and p99_ms <= 5, prefer: [accuracy]}")
    follow.await_decision("letters", is_there)
    assert follow.targets("letters") == ["digits-2-a", "digits-1-b"]
    follow.give("letters", 3_000)
    follow.revoke("model/digits:1", "forgets sevens")
    follow.await_decision("letters", lambda made: made.weights["v2"] == 0)
    follow.await_decision("letters", lambda made: made.rule.startswith("applied: another spec"))
    assert follow.targets("letters") == ["digits-2-a", "digits-3-b"]
    made = follow.decision("letters")
    assert (made.phase, made.weights) == (Phase.PROGRESSING, {"v1": 10_000, "v2": 0})
    again = follow.apply("letters", "{where: accuracy >= 0.9 and p99_ms <= 5, prefer: [accuracy]}")
    assert again.stdout == "letters unchanged\n"
    # The catalogue learns who answers as what, and since when.
    end_s = time.monotonic() + PATIENCE_S
    while "model/digits:3" not in follow.behind("answer/letters/v2"):
        assert time.monotonic() < end_s
        time.sleep(0.01)  # between two looks, not instead of one
    assert "model/digits:1" in follow.behind("answer/letters/v2@0.1")
    follow.revoke("model/digits:1")


def test_a_query_that_means_nothing_any_more_holds_the_release_and_says_why(follow: FollowRig) -> None:
    follow.apply("signs", '{where: "p99_ms < 2 and alias = champion"}')
    follow.await_decision("signs", is_there)
    moved = follow.rig.folder / "moved.yaml"
    moved.write_text(SPARE.replace('"3"', '"3.1"') + "aliases: [champion]\n")
    follow.trimtab("models", "register", "-f", str(moved))
    follow.await_decision("signs", lambda made: made.phase is Phase.PAUSED)
    assert follow.decision("signs").rule == (
        "pause by trimtab models: no model of 4 matches: `p99_ms < 2` excludes 3 (1 that nothing else excludes);"
        " `alias = champion` excludes 3 (1 that nothing else excludes)"
    )


def test_what_cannot_be_resolved_is_not_applied(follow: FollowRig) -> None:
    done = follow.apply("ghosts", "{where: accuracy > 1}", code=1)
    assert "release ghosts, variant v2: no model of" in done.stderr
    assert Releases(follow.rig.redis).document("ghosts") is None


def test_what_decisions_saw_is_written_back(follow: FollowRig) -> None:
    follow.apply("mail", '{ref: "digits:1"}')
    follow.await_decision("mail", is_there)
    now_ms = time.time_ns() // 1_000_000
    rows = [
        {
            "kind": "response", "release": "mail", "variant": "v1", "time_ms": now_ms, "duration_ms": 12.0,
            "status": 500 if at < 10 else 200,
        }
        for at in range(40)
    ]  # fmt: skip
    follow.rig.publish(TELEMETRY, json.dumps({"publisher": "p", "events": rows}).encode())
    follow.rig.await_counted(40, "mail")
    deployment = ModelRef("deployment/mail.v1.0-0")
    store, end_s = SqliteStore(follow.rig.folder / "catalog.db"), time.monotonic() + PATIENCE_S
    while "error_ratio" not in (figures := store.changes().figures.get(deployment, {})):
        assert time.monotonic() < end_s, figures
        time.sleep(0.01)  # between two looks, not instead of one
    store.close()
    assert (figures["error_ratio"].value, figures["error_ratio"].samples) == (0.25, 40)
    assert figures["p99_ms"].value == pytest.approx(12, rel=0.05)
    found = follow.trimtab("models", "choose", "--where", "serving.error_ratio > 0.2", "-o", "name")
    assert found.stdout == "model/digits:2\n"
