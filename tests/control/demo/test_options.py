import math

import pytest

from trimtab.control.demo import DemoOptions, Scenario, Strategy
from trimtab.streams.backend import Backend, WrongBackend


def test_options_without_a_word_tell_the_faulty_canary() -> None:
    chosen = DemoOptions()
    assert (chosen.scenario, chosen.strategy, chosen.duration_s) == ("faulty", "canary", 60.0)


@pytest.mark.parametrize("duration_s", [4.9, 0.0, -1.0, 3601.0, math.inf, math.nan])
def test_duration_out_of_range_is_refused_with_the_range(duration_s: float) -> None:
    with pytest.raises(ValueError, match="duration: expected 5 to 3600 seconds"):
        DemoOptions(duration_s=duration_s)


@pytest.mark.parametrize("rps", [0, -1, 9, 1001])
def test_rate_out_of_range_is_refused_with_the_range(rps: int) -> None:
    with pytest.raises(ValueError, match="rps: expected 10 to 1000"):
        DemoOptions(rps=rps)


def test_servers_are_the_embedded_ones_unless_addresses_are_given() -> None:
    assert DemoOptions().backend is Backend.EMBEDDED
    assert DemoOptions(kafka="broker:9092", redis="redis://cache:6379/0").backend is Backend.EXTERNAL


def test_an_address_without_the_other_is_refused() -> None:
    with pytest.raises(WrongBackend, match="backend external: the URL of Redis is missing, expected both"):
        DemoOptions(kafka="broker:9092")


def test_the_acts_of_models_need_a_minute() -> None:
    with pytest.raises(ValueError, match="duration: expected 60 to 3600 seconds, got 59"):
        DemoOptions(scenario=Scenario.MODELS, duration_s=59)
    assert (Scenario.MODELS.usual_s, Scenario.FAULTY.usual_s) == (180.0, 60.0)


def test_the_acts_of_models_take_no_strategy() -> None:
    with pytest.raises(ValueError, match="strategy: the acts of the scenario models have their own, got bandit"):
        DemoOptions(scenario=Scenario.MODELS, duration_s=180, strategy=Strategy.BANDIT)
