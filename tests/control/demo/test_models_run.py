"""The acts of the scenario `models` on real model servers, a real Envoy, and labels that come five seconds late."""

import asyncio
import io
import json
import os
import signal
import urllib.request
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from control.demo.models_rig import answers, decisions, models_system, options
from control.demo.test_run import Demo, alive
from trimtab.client import Labels
from trimtab.control.demo.interrupt import Interrupt
from trimtab.control.demo.models.acts import CORRUPTED, FAST, FIXED, NAMES, RELEASE, STEP_BP, acts
from trimtab.control.demo.models.findings import accuracy
from trimtab.control.demo.models.session import Run
from trimtab.control.demo.models.visitors import Visit, Visitors
from trimtab.control.demo.models.zoo import digits, train
from trimtab.schemas.decision import Phase

pytestmark = [pytest.mark.integration, pytest.mark.proxies, pytest.mark.timeout(400)]

BANDIT_S = 60.0
"""Without what it learns, a third of the requests would go to a model that is wrong two times in three."""


def bandit() -> str:
    """A bandit over the three models of the canaries, that knows nothing but which answers were right."""
    document = yaml.safe_load(acts()[0].text())
    document["spec"] |= {
        "variants": [{"name": name} for name in (FAST, CORRUPTED, FIXED)],
        "guardrails": [],
        "strategy": {"type": "bandit", "interval": "1s"},
        "limits": {"minWeight": 100, "maxStep": 2_000},
    }
    return str(yaml.safe_dump(document))


def test_every_act_comes_to_what_it_should() -> None:
    chosen, told = options(), io.StringIO()
    console = Console(file=told, width=160)
    with models_system(chosen, acts()[0].text(), console) as system:
        run = Run(chosen, console, Interrupt(), system)
        findings = asyncio.run(run.live())
        made, said = decisions(system.kafka), answers(system.redis)
    assert [finding.missed for finding in findings] == [()] * len(acts()), told.getvalue()
    of_faulty = [one for one in made if CORRUPTED in one.weights]
    assert max(one.weights[CORRUPTED] for one in of_faulty) == STEP_BP
    last = next(one for one in of_faulty if one.phase is Phase.ROLLED_BACK)
    assert last.rule.startswith(f"guardrail: {CORRUPTED} excluded, outcome correct"), last.rule
    assert all(one.weights[CORRUPTED] == 0 for one in of_faulty if one.id >= last.id)
    errors = [one for scene in run.scenes for one in scene.visits if not one.is_good]
    assert errors == []
    assert set(said) == {"told"}


def test_a_signal_in_an_act_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    demo = Demo(tmp_path, "--scenario", "models", "--rps", "50", "--console")
    console = demo.await_line("http://127.0.0.1:").partition("/#/")[0].strip()
    with urllib.request.urlopen(f"{console}/api/v1/models", timeout=30) as answer:  # noqa: S310 - the demo's
        models = {one["version"]: one for one in json.load(answer)["items"]}
    assert list(models) == list(NAMES)
    demo.await_line("progressing  v1 70 %  v2 30 %")
    started = demo.children()
    os.kill(demo.process.pid, signal.SIGINT)
    code, output = demo.end(timeout_s=60)
    assert code == 128 + signal.SIGINT
    assert output.endswith("Stopped by SIGINT: every process has ended, every file is gone.\n")
    assert len(started) >= 11
    assert alive(started) == set()
    assert list(tmp_path.iterdir()) == []


async def _sent(visitors: Visitors, duration_s: float) -> list[Visit]:
    visitors.targets = {name: name for name in (FAST, CORRUPTED, FIXED)}
    await visitors.arrivals.send(duration_s)
    return visitors.visits.all


def test_a_bandit_over_three_models_earns_nine_tenths_of_what_the_best_alone_would() -> None:
    chosen = options(duration_s=BANDIT_S)
    _, unseen = digits()
    with models_system(chosen, bandit(), Console(file=io.StringIO())) as system, Labels(system.kafka) as labels:
        visits = asyncio.run(
            _sent(Visitors(system.url, unseen, labels, rps=chosen.rps, seed=chosen.seed), BANDIT_S)
        )  # fmt: skip
        newest = decisions(system.kafka)[-1]
    alone = {
        name: float((train(name).predict_proba(unseen.images).argmax(axis=1) == unseen.truth).mean())
        for name in (FAST, CORRUPTED, FIXED)
    }  # fmt: skip
    assert newest.release == RELEASE
    assert {one.variant for one in visits} == set(alone)
    assert accuracy(visits) >= 0.9 * max(alone.values()), (accuracy(visits), alone, newest.weights)
    assert newest.weights[CORRUPTED] == 100
