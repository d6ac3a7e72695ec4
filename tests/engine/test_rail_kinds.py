"""Which bounds a guardrail has, and which test judges each by what."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from engine.builders import Json, release
from engine.windows import window
from trimtab.engine.metric_rail import metric_rails, rails_under
from trimtab.engine.rail import (
    LatencyRatioRail,
    Pair,
    Rail,
    ShareRail,
    allowed_of,
    breaches_of,
    rails_of,
    sums_of,
)
from trimtab.engine.sequential.budget import BudgetTest, most_per_breach
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.conclusion import Rule
from trimtab.engine.sequential.latency import REFREEZE_LOOKS, WARM_UP_COUNT
from trimtab.engine.sequential.look import Share, SharePair, Sums, SumsPair
from trimtab.engine.sequential.mean import DifferenceTest, Harm, MeanTest
from trimtab.engine.sequential.succession import SuccessionTest
from trimtab.schemas.guardrail import AnyGuardrail
from trimtab.schemas.metric import Metric

RULE = Rule(alpha=0.01)
PAIR = Pair(
    window(responses=1_100, errors=11, client_errors=22, values={"paid": [1.0, 2.0, 4.0] * 400}),
    window(responses=2_200, errors=33, client_errors=44, values={"paid": [1.0, 3.0] * 700}),
)
"""As many values as tests of means need before any is evidence."""


def guardrail(**fields: object) -> Any:
    return TypeAdapter(AnyGuardrail).validate_python(fields)


def assert_judged_by(rail: Rail, test: Any, look: object) -> None:
    """A bound and a test go the same way."""
    for _ in range(3):
        rail.update(PAIR)
        test.update(look)
    assert rail.snapshot() == test.snapshot()
    said, estimate = rail.conclude(RULE), test.estimate()
    assert (said.ln_evidence, said.value, said.limit) == (test.evidence(), estimate.value, estimate.limit)


@pytest.mark.parametrize(
    ("fields", "bounds"),
    [
        ({"metric": "error_rate", "max": 0.1}, ["max"]),
        ({"metric": "error_rate", "maxRatio": 2}, ["maxRatio"]),
        ({"metric": "client_error_rate", "max": 0.1, "maxRatio": 2}, ["max", "maxRatio"]),
        ({"metric": "latency_p90_ms", "max": 50}, ["max"]),
        ({"metric": "latency_p90_ms", "maxRatio": 2}, ["maxRatio"]),
        ({"metric": "outcome", "name": "paid", "max": 2}, ["max"]),
        ({"metric": "outcome", "name": "paid", "minRatio": 0.9}, ["minRatio"]),
        (
            {"metric": "outcome", "name": "paid", "min": 0, "max": 2, "minRatio": 0.9, "maxRatio": 2},
            ["max", "maxRatio", "min", "minRatio"],
        ),
        ({"metric": "error_rate", "max": 0.1, "severity": "muted"}, []),
        ({"metric": "outcome", "name": "paid", "max": 2, "severity": "muted"}, []),
    ],
    ids=str,
)
def test_a_guardrail_has_the_bounds_that_it_names(fields: Json, bounds: list[str]) -> None:
    assert list(rails_of(guardrail(**fields))) == bounds


@pytest.mark.parametrize(
    ("metric", "look"),
    [("error_rate", SharePair(1_100, 11, 2_200, 33)), ("client_error_rate", SharePair(1_100, 22, 2_200, 44))],
)
def test_a_share_is_compared_with_that_of_the_baseline(metric: str, look: SharePair) -> None:
    rail = rails_of(guardrail(metric=metric, maxRatio=1.5))["maxRatio"]
    assert_judged_by(rail, ComparisonTest(1.5), look)


OURS = Sums(1_200, 2_800.0, 8_400.0)
THEIRS = Sums(1_400, 2_800.0, 7_000.0)


@pytest.mark.parametrize(
    ("bounds", "test", "look"),
    [
        ({"max": 2.5}, MeanTest(2.5, harm=Harm.ABOVE), OURS),
        ({"min": 2.5}, MeanTest(2.5, harm=Harm.BELOW), OURS),
        ({"maxRatio": 1.2}, DifferenceTest(harm=Harm.ABOVE, ratio=1.2), SumsPair(OURS, THEIRS)),
        ({"minRatio": 0.8}, DifferenceTest(harm=Harm.BELOW, ratio=0.8), SumsPair(OURS, THEIRS)),
    ],
    ids=["max", "min", "maxRatio", "minRatio"],
)
def test_an_outcome_is_judged_by_its_mean(
    bounds: Mapping[str, float], test: MeanTest | DifferenceTest, look: object
) -> None:
    rails = rails_of(guardrail(metric="outcome", name="paid", **bounds))
    (field,) = bounds
    assert_judged_by(rails[field], test, look)


@pytest.mark.parametrize(
    ("bounds", "test", "look"),
    [
        ({"max": 0.5}, SuccessionTest(0.5, harm=Harm.ABOVE), 0.01),
        ({"min": 0.5}, SuccessionTest(0.5, harm=Harm.BELOW), 0.01),
        ({"maxRatio": 2.0}, SuccessionTest(0.0, harm=Harm.ABOVE), 0.01 - 2.0 * 0.015),
        ({"minRatio": 0.5}, SuccessionTest(0.0, harm=Harm.BELOW), 0.01 - 0.5 * 0.015),
    ],
    ids=["max", "min", "maxRatio", "minRatio"],
)
def test_a_metric_is_judged_by_its_values_second_by_second(
    bounds: Mapping[str, float], test: SuccessionTest, look: float
) -> None:
    rails = metric_rails(
        guardrail(metric="metric", name="share", **bounds), Metric(name="share", expression="errors / responses")
    )
    assert list(rails) == list(bounds)
    assert_judged_by(rails[next(iter(bounds))], test, look)


def test_a_guardrail_on_a_metric_that_is_muted_has_no_bounds() -> None:
    rail, metric = (
        {"metric": "metric", "name": "share", "max": 0.5},
        {"name": "share", "expression": "errors / responses"},
    )
    bounds = {
        severity: list(rails_under(spec, spec.bounds[0]))
        for severity in ("ordinary", "muted")
        for spec in (release(guardrails=[{**rail, "severity": severity}], metrics=[metric]).spec,)
    }
    assert bounds == {"ordinary": ["max"], "muted": []}


def test_a_second_without_a_value_of_either_side_is_passed_over() -> None:
    metric = Metric(name="share", expression="errors / responses")
    rails = metric_rails(guardrail(metric="metric", name="share", max=0.5, maxRatio=2), metric)
    seen = window(responses=4, errors=1)
    for pair in (Pair(window(), seen), Pair(seen, window()), Pair(seen, seen)):
        for rail in rails.values():
            rail.update(pair)
    assert {field: rail.conclude(RULE).n for field, rail in rails.items()} == {"max": 2, "maxRatio": 1}


def test_a_metric_knows_the_requests_in_flight_of_its_own_side() -> None:
    metric = Metric(name="busy", expression="in_flight")
    (rail,) = metric_rails(guardrail(metric="metric", name="busy", maxRatio=2), metric).values()
    rail.update(Pair(window(), window(), in_flight=7, baseline_in_flight=3))
    assert rail.conclude(RULE).value == 1.0


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"metric": "error_rate", "max": 0.07}, 0.07),
        ({"metric": "latency_p90_ms", "max": 50}, 0.1),
        ({"metric": "latency_p99_ms", "max": 50}, 0.01),
        ({"metric": "latency_p99_ms", "maxRatio": 2}, None),
        ({"metric": "outcome", "name": "paid", "max": 2}, None),
    ],
    ids=str,
)
def test_a_bound_on_a_share_allows_some(fields: Json, allowed: float | None) -> None:
    assert allowed_of(guardrail(**fields)) == allowed


def test_a_bound_on_a_share_is_judged_as_a_budget() -> None:
    rail, test = ShareRail(0.1), BudgetTest(0.1)
    for look in (Share(30, 9), Share(5, 0)):
        rail.update(look)
        test.update(look)
    said = rail.conclude(RULE, Share(4, 1))
    assert (said.ln_evidence, said.n) == (test.evidence(Share(4, 1)), 39)
    assert rail.gain == most_per_breach(0.1)
    restored = ShareRail(0.1)
    restored.restore(rail.snapshot())
    assert restored.conclude(RULE, Share(4, 1)) == said


def test_a_bound_on_a_comparison_continues_from_a_snapshot() -> None:
    rail, restored = (rails_of(guardrail(metric="error_rate", maxRatio=1.5))["maxRatio"] for _ in range(2))
    rail.update(PAIR)
    restored.restore(rail.snapshot())
    rail.update(PAIR)
    restored.update(PAIR)
    assert restored.conclude(RULE) == rail.conclude(RULE)


def test_every_guardrail_counts_its_own_breaches() -> None:
    seen = window(durations_ms=[10.0, 60.0, 70.0], errors=1, client_errors=2)
    counted = {
        metric: breaches_of(guardrail(metric=metric, max=limit))(seen)
        for metric, limit in (("latency_p99_ms", 50.0), ("error_rate", 0.1), ("client_error_rate", 0.1))
    }
    assert counted == {"latency_p99_ms": 2, "error_rate": 1, "client_error_rate": 2}


def test_sums_are_in_the_unit_of_the_outcome() -> None:
    assert sums_of(window(values={"paid": [1.5, 2.0]}), "paid") == Sums(2, 3.5, 6.25)
    assert sums_of(window(values={"paid": [1.5, 2.0]}), "other") == Sums(0, 0.0, 0.0)


SLOW = window(durations_ms=[30.0] * 10)


def of_baseline(milliseconds: float, responses: int) -> Pair:
    """A second in which the candidate takes 30 ms."""
    return Pair(SLOW, window(durations_ms=[milliseconds] * responses))


def looks_at(rail: LatencyRatioRail) -> int:
    """How many responses of the candidate were compared; it has ten in each look."""
    return rail.conclude(RULE).n // 10


def frozen_ms(rail: LatencyRatioRail) -> float:
    value: float = rail.snapshot()["frozen_ms"]
    return value


@pytest.mark.parametrize(("responses", "looks"), [(WARM_UP_COUNT - 1, 0), (WARM_UP_COUNT, 1)])
def test_a_latency_is_compared_as_soon_as_the_baseline_has_had_enough_responses(responses: int, looks: int) -> None:
    rail = LatencyRatioRail(2.0, 0.9)
    for pair in (of_baseline(10.0, responses), of_baseline(10.0, 10)):
        rail.update(pair)
    assert looks_at(rail) == looks


def test_a_limit_is_the_baselines_quantile_and_frozen_anew_after_so_many_looks() -> None:
    rail, seen = LatencyRatioRail(2.0, 0.9), list[float]()
    rail.update(of_baseline(10.0, WARM_UP_COUNT))
    for _ in range(2 * REFREEZE_LOOKS):
        rail.update(of_baseline(20.0, WARM_UP_COUNT))
        seen.append(frozen_ms(rail))
    assert seen[: REFREEZE_LOOKS - 1] == pytest.approx([10.0] * (REFREEZE_LOOKS - 1), rel=0.01)
    assert seen[REFREEZE_LOOKS - 1 :] == pytest.approx([20.0] * (REFREEZE_LOOKS + 1), rel=0.01)
    assert rail.snapshot()["looks"] == 0


def test_a_limit_is_frozen_anew_of_what_came_since_and_of_enough_of_it() -> None:
    rail = LatencyRatioRail(2.0, 0.9)
    rail.update(of_baseline(10.0, WARM_UP_COUNT))
    for _ in range(2 * REFREEZE_LOOKS):
        rail.update(of_baseline(20.0, 1))
    assert frozen_ms(rail) == pytest.approx(10.0, rel=0.01)
    rail.update(of_baseline(20.0, WARM_UP_COUNT))
    assert frozen_ms(rail) == pytest.approx(20.0, rel=0.01)


def slower_than(ratio: float) -> float:
    """The evidence after 50 seconds in which the candidate takes 30 ms and the baseline 10 ms."""
    rail = LatencyRatioRail(ratio, 0.9)
    for _ in range(51):
        rail.update(of_baseline(10.0, WARM_UP_COUNT))
    return rail.conclude(RULE).ln_evidence


def test_a_latency_is_compared_with_so_many_times_that_of_the_baseline() -> None:
    assert slower_than(2.9) > RULE.threshold
    assert slower_than(3.2) <= 0.0


@pytest.mark.parametrize("looks", [0, 7])
def test_a_snapshot_from_before_looks_were_counted_begins_to_count_them(looks: int) -> None:
    rail = LatencyRatioRail(2.0, 0.9)
    for _ in range(looks + 1):
        rail.update(of_baseline(10.0, WARM_UP_COUNT))
    snapshot = rail.snapshot()
    del snapshot["looks"]
    rail.restore(snapshot)
    assert rail.snapshot()["looks"] == 0
