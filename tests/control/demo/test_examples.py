import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from trimtab.schemas.guardrail import MetricGuardrail
from trimtab.schemas.metric import Composite
from trimtab.schemas.policy import Segmented
from trimtab.schemas.release_file import load
from trimtab.schemas.strategy import Bandit, Canary
from trimtab.streams.port import port_of, reserve_port

ROOT = Path(__file__).resolve().parents[3]
TOUR_PORTS = ("10000", "9901", "8001", "8002", "8003")


def example(name: str) -> str:
    return (ROOT / "examples" / name).read_text()


def tour(reserved: ExitStack) -> str:
    """Gives the README's shell commands but for ./demo and ./test, on ports that stay theirs while `reserved` does."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    text = "".join(block for block in blocks if "./demo" not in block)
    for port in TOUR_PORTS:
        assert port in text
        text = re.sub(rf"\b{port}\b", str(port_of(reserved.enter_context(reserve_port()))), text)
    return text


def test_canary_example_is_a_release_in_three_steps() -> None:
    (release,) = load(example("checkout-canary.yaml"), "checkout-canary.yaml")
    assert isinstance(release.spec.strategy, Canary)
    assert release.spec.strategy.steps == (500, 2_500, 5_000)


def test_bandit_example_is_a_release_for_conversions() -> None:
    (release,) = load(example("checkout-bandit.yaml"), "checkout-bandit.yaml")
    assert isinstance(release.spec.strategy, Bandit)
    assert release.spec.objective.metric == "converted"


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("checkout-*.yaml")), ids=lambda path: path.name)
def test_every_example_is_what_its_name_says(path: Path) -> None:
    (release,) = load(path.read_text(), path.name)
    assert path.stem.removeprefix("checkout-").replace("-", "").startswith(release.spec.strategy.type.lower())


MODELS = {
    "canary": "canary", "ab-test": "abTest", "bandit": "bandit", "shadow": "shadow", "segments": "bandit",
    "ensemble": "ensemble",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "strategy"), MODELS.items())
def test_every_example_of_models_is_one_release_of_digits(kind: str, strategy: str) -> None:
    name = f"models-{kind}.yaml"
    (release,) = load(example(name), name)
    assert (release.name, release.spec.strategy.type) == ("digits", strategy)
    assert release.spec.objective.metric == "correct"
    assert f"trimtab apply -f examples/{name}" in example(name)


def test_the_release_by_accuracy_alone_in_the_docs_of_labels_can_be_applied() -> None:
    text = (ROOT / "docs" / "labels.md").read_text()
    (spec,) = re.findall(r"^```yaml\n(spec:\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    head = "apiVersion: trimtab.dev/v1\nkind: Release\nmetadata: {name: digits}\n"
    rest = "  baseline: v1\n  variants: [{name: v1}, {name: v2}]\n  strategy: {type: canary}\n"
    (release,) = load(head + spec + rest, "labels.md")
    assert [guardrail.title for guardrail in release.spec.guardrails] == [
        "outcome correct over 10s", "outcome log_loss over 10s",
    ]  # fmt: skip


def test_the_examples_of_models_name_only_outcomes_that_the_label_service_tells() -> None:
    told = {
        "correct", "log_loss", "brier", "absolute_error", "squared_error", "agreement", "difference", "auc",
        "calibration_error",
    }  # fmt: skip
    for kind in MODELS:
        (release,) = load(example(f"models-{kind}.yaml"), kind)
        assert set(release.spec.outcomes or ()) <= told


def test_the_segments_example_decides_segment_by_segment() -> None:
    (release,) = load(example("checkout-bandit-segments.yaml"), "checkout-bandit-segments.yaml")
    assert isinstance(release.spec.strategy, Bandit)
    assert isinstance(release.spec.strategy.policy, Segmented)
    assert [segment.name for segment in release.spec.segments] == ["phone", "tablet", "desktop"]


def test_the_experience_example_judges_by_a_metric_of_its_own() -> None:
    (release,) = load(example("checkout-canary-experience.yaml"), "checkout-canary-experience.yaml")
    metric = release.spec.objective_metric
    assert isinstance(metric, Composite)
    assert metric.outcomes == {"rating"}
    assert [one.name for one in release.spec.guardrails if isinstance(one, MetricGuardrail)] == [
        "experience", "timeout-share", "load",
    ]  # fmt: skip


def test_examples_are_the_same_release_so_that_one_can_follow_the_other() -> None:
    names = {load(example(f"checkout-{kind}.yaml"), kind)[0].name for kind in ("canary", "bandit", "ab-test")}
    assert names == {"checkout"}


@pytest.mark.long
@pytest.mark.integration
def test_readme_tour_works_as_it_stands(tmp_path: Path) -> None:
    with ExitStack() as reserved:
        script = tour(reserved).replace(". .venv/bin/activate", f'PATH="{Path(sys.executable).parent}:$PATH"')
        shell = subprocess.Popen(
            ["/usr/bin/env", f"TMPDIR={tmp_path}", "bash", "-c", script],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = shell.communicate(timeout=240)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    assert "checkout created" in output
    assert re.search(r"wrong.yaml:\d+: spec\.guardrails\[0\]\.max: .*5%", output)
    assert "exit code 2" in output
    assert re.search(r"v1 served \d+, v2 served \d+, v3 served \d+", output)
    assert "checkout configured" in output
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(shell.pid, 0)
