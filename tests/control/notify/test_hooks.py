"""Hooks are asked by `trimtab notify`, and their answer steers a release: on servers that are really there."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Eventually
from control.decisions import decision
from control.notify.receiver import Receiver
from integration.publisher import Publisher
from integration.worker_rig import READY_S, WorkerRig
from sidecar.program import Program
from trimtab.control.audit_log import page
from trimtab.control.kafka_log import KafkaLog
from trimtab.control.notify.asker import questions_of, still_stands
from trimtab.control.notify.targets import Hook, WrongTargets, read_targets
from trimtab.control.release_view import ReleaseView
from trimtab.schemas.audit import AuditEntry
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.kafka_connection import KafkaConnection

PLAN = "strategy: {type: canary, steps: [5000], hold: 1s, minResponses: 1, advance: time}"
PROMOTION = "hooks: {confirmPromotion: ci}"
ROLLBACK = "hooks: {confirmRollback: ci}"


def view(made: Decision, hooks: object) -> ReleaseView:
    document = {
        "apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": made.release},
        "spec": {
            "baseline": "v1", "variants": [{"name": "v1"}, {"name": "v2"}], "hooks": hooks,
            "strategy": {"type": "abTest"},
        },
    }  # fmt: skip
    return ReleaseView(made, json.dumps(document).encode(), [], [])


def hook(**more: object) -> Hook:
    return Hook.model_validate({"name": "ci", "url": "http://127.0.0.1:1/gate", **more})


BOTH = {"confirmPromotion": "ci", "confirmRollback": "ci"}


@pytest.mark.parametrize(
    ("made", "hooks", "asked", "kinds"),
    [
        (decision(awaits="v2"), BOTH, hook(), ["confirm_rollback", "confirm_promotion"]),
        (decision(), BOTH, hook(), ["confirm_rollback"]),
        (decision(phase=Phase.PAUSED), BOTH, hook(), ["confirm_rollback"]),
        (decision(phase=Phase.FROZEN), BOTH, hook(), []),
        (decision(phase=Phase.PROMOTED), BOTH, hook(), []),
        (decision(queued_behind="search"), BOTH, hook(), []),
        (decision(awaits="v2"), {"confirmPromotion": "other"}, hook(), []),
        (decision(awaits="v2"), {}, hook(), []),
        (decision(awaits="v2"), BOTH, hook(releases=["search*"]), []),
        (decision(awaits="v2"), {"of": "a newer version"}, hook(), []),
    ],
)
def test_who_names_a_hook_has_it_asked(made: Decision, hooks: object, asked: Hook, kinds: list[str]) -> None:
    assert [one.kind for one in questions_of(view(made, hooks), asked)] == kinds


def test_an_answer_counts_for_what_the_question_was_about_alone() -> None:
    rollback, promotion = questions_of(view(decision(awaits="v2"), BOTH), hook())
    for question in (rollback, promotion):
        assert still_stands(question, view(decision(awaits="v2", revision=9), BOTH))
        assert not still_stands(question, view(decision(awaits="v2"), {"confirmPromotion": "ci"}))
        assert not still_stands(question, None)
    assert not still_stands(promotion, view(decision(), BOTH))
    assert not still_stands(rollback, view(decision(phase=Phase.PROMOTED), BOTH))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hooks: [{name: ci, url: 'file:///etc/passwd'}]", "hooks.0.url: Value error, expected a URL that begins with"),
        (
            "hooks: [{name: ci, url: 'https://ci.example/', every: 100ms}]",
            "hooks.0.every: Value error, expected at least",
        ),
        ("hooks: [{name: ci, url: 'https://a/'}, {name: ci, url: 'https://b/'}]", "hooks: name 'ci' stands twice"),
        ("targets: []", "targets: expected some, or hooks, found neither"),
        ("hooks: [{name: ci, url: 'https://ci.example/', secretFile: /nowhere}]", "hook ci: secretFile /nowhere"),
    ],
)
def test_a_wrong_hook_is_told(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "targets.yaml"
    file.write_text(text)
    with pytest.raises(WrongTargets, match=words):
        read_targets(file)


@pytest.fixture
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        yield rig


def ask(rig: WorkerRig, url: str) -> Program:
    (rig.folder / "secret").write_text("0123456789abcdef")
    file = rig.folder / "targets.yaml"
    file.write_text(f"hooks: [{{name: ci, url: '{url}', secretFile: {rig.folder}/secret, every: 1s, timeout: 2s}}]")
    command = [sys.executable, "-m", "trimtab.control.cli", "notify", "--targets", str(file)]
    return Program(rig.folder / "notify.log", *command, "--kafka", rig.kafka, "--redis", rig.redis)


def audited(rig: WorkerRig) -> list[AuditEntry]:
    with KafkaLog(KafkaConnection.of(rig.kafka), 10) as log:
        return [one for one in page(log, None, 20).items if one.source == "hook"]


@pytest.mark.integration
@pytest.mark.long
def test_a_promotion_waits_until_its_hook_says_200(rig: WorkerRig, eventually: Eventually) -> None:
    rig.apply(more=PROMOTION, strategy=PLAN)
    publisher = Publisher(rig.kafka, seed=5)
    with Receiver(answers=[(503, {}), (302, {"Location": "http://127.0.0.1:1/"}), (204, {})]) as receiver:
        receiver.usual = 200
        notify = ask(rig, receiver.url)
        try:
            eventually(lambda: is_promoted(rig), what="a promotion", timeout_s=READY_S)
            eventually(lambda: audited(rig), what="an entry of the audit log", timeout_s=READY_S)
        finally:
            publisher.stop()
            assert notify.end() == 0
    held = "confirmation: weights are held, the promotion of v2 is waiting for confirmation by ci"
    assert held in [one.rule for one in rig.decisions()]
    (entry,) = audited(rig)
    assert (entry.actor, entry.action, entry.outcome, entry.v) == ("hook:ci", "confirm", "done", 2)
    asked = [json.loads(one.body) for one in receiver.posted]
    assert len(asked) == 4, "503, 302 and 204 are no"
    assert {one["kind"] for one in asked} == {"confirm_promotion"}
    assert (asked[0]["release"], asked[0]["variant"], asked[0]["weights"]) == (
        "checkout",
        "v2",
        {"v1": 5000, "v2": 5000},
    )
    assert all(one.headers["webhook-signature"].startswith("v1,") for one in receiver.posted)


def is_promoted(rig: WorkerRig) -> bool:
    decision = rig.decision()
    return decision is not None and decision.phase is Phase.PROMOTED


@pytest.mark.integration
@pytest.mark.long
def test_a_hook_rolls_a_release_back(rig: WorkerRig, eventually: Eventually) -> None:
    rig.apply(more=ROLLBACK)
    with Receiver(answers=[(404, {})]) as receiver:
        receiver.usual = 200
        notify = ask(rig, receiver.url)
        try:
            made = rig.await_rule("abort by hook:ci: ci asks to roll it back")
            eventually(lambda: audited(rig), what="an entry of the audit log", timeout_s=READY_S)
        finally:
            assert notify.end() == 0
    assert made.phase is Phase.ROLLED_BACK
    assert [json.loads(one.body)["kind"] for one in receiver.posted] == ["confirm_rollback"] * 2
    (entry,) = audited(rig)
    assert (entry.actor, entry.action, entry.outcome) == ("hook:ci", "abort", "done")
