import itertools

import pytest

from trimtab.control.demo import DemoOptions, Scenario, Strategy
from trimtab.control.demo.release import RELEASE, release_text
from trimtab.control.demo.scenario import LATENCY_LIMIT_MS
from trimtab.schemas.release import Release
from trimtab.schemas.release_file import load
from trimtab.schemas.strategy import Bandit, Canary

STORIES = [one for one in Scenario if one is not Scenario.MODELS]


def loaded(scenario: str = "faulty", strategy: str = "canary", duration_s: float = 60.0) -> Release:
    options = DemoOptions(scenario=Scenario(scenario), strategy=Strategy(strategy), duration_s=duration_s)
    (release,) = load(release_text(options), "demo")
    return release


@pytest.mark.parametrize(("scenario", "strategy"), list(itertools.product(STORIES, Strategy)))
def test_release_of_every_run_is_a_valid_release_file(scenario: str, strategy: str) -> None:
    release = loaded(scenario, strategy)
    assert release.name == RELEASE
    assert release.spec.baseline == "v1"
    assert [variant.name for variant in release.spec.variants] == ["v1", "v2", "v3"]


def test_canary_holds_its_steps_as_long_as_the_duration_allows() -> None:
    strategy = loaded(duration_s=36.0).spec.strategy
    assert isinstance(strategy, Canary)
    assert (strategy.steps, strategy.hold) == ((500, 2_500, 5_000), 3_000)


def test_bandit_chooses_every_second() -> None:
    strategy = loaded(strategy="bandit").spec.strategy
    assert isinstance(strategy, Bandit)
    assert strategy.interval == 1_000


@pytest.mark.parametrize(("scenario", "metric"), [("faulty", "success"), ("slow", "success"), ("better", "converted")])
def test_objective_is_what_the_scenario_is_about(scenario: str, metric: str) -> None:
    assert loaded(scenario).spec.objective.metric == metric


def test_slow_release_bounds_the_latency_that_counts_as_bad() -> None:
    limits = {guardrail.metric: guardrail.max for guardrail in loaded("slow").spec.bounds}
    assert limits["latency_p95_ms"] == LATENCY_LIMIT_MS
