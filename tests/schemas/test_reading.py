"""Names that a release file gives and refers to."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from schemas.release_text import CANARY
from trimtab.schemas.errors import InvalidRelease
from trimtab.schemas.reading import outcomes_read
from trimtab.schemas.release import Release
from trimtab.schemas.release_file import load

SHARE: Mapping[str, object] = {"name": "share", "expression": "errors / responses"}
PAID: Mapping[str, object] = {"name": "paid", "expression": 'outcome("revenue").sum / requests'}
GOOD: Mapping[str, object] = {
    "name": "good", "parts": [{"expression": "latency.p99", "better": "low", "from": 100, "to": 500}],
}  # fmt: skip


def read(**fields: Any) -> Release:
    document = yaml.safe_load(CANARY)
    document["spec"] |= fields
    (release,) = load(yaml.safe_dump(document, sort_keys=False), "f.yaml")
    return release


def rail(**fields: object) -> dict[str, object]:
    return {"metric": "metric", "name": "share", "max": 0.1, **fields}


def test_metrics_are_known_by_their_names() -> None:
    spec = read(metrics=[SHARE, GOOD], objective={"metric": "good"}).spec
    assert list(spec.metric_of_name) == ["share", "good"]
    assert spec.objective_metric is spec.metric_of_name["good"]
    assert read().spec.objective_metric is None


def test_windows_hold_the_outcomes_that_anything_reads() -> None:
    rails = [
        {"metric": "outcome", "name": "rating", "min": 1},
        {"metric": "outcome", "name": "mute", "min": 1, "severity": "muted"},
    ]
    spec = read(metrics=[PAID], guardrails=rails).spec
    assert outcomes_read(spec.bounds, spec.metric_of_name) == ("rating", "revenue")


def test_an_outcome_need_not_be_declared_but_then_all_have_to_be() -> None:
    assert read(metrics=[PAID]).spec.outcomes == ()
    assert read(metrics=[PAID], outcomes=["revenue"]).spec.outcomes == ("revenue",)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"metrics": [SHARE, {**PAID, "name": "share"}]}, "spec.metrics: name 'share' stands twice"),
        ({"metrics": [{**PAID, "name": "errors"}]}, "metrics[0].name: 'errors' is built in, expected another name"),
        ({"metrics": [{**PAID, "name": "success"}]}, "'success' is built in"),
        (
            {"outcomes": ["paid", "revenue"], "metrics": [{**PAID, "name": "paid"}]},
            "metrics[0].name: 'paid' is one of outcomes, expected another name",
        ),
        (
            {"objective": {"metric": "error_rate"}},
            "or an outcome, got 'error_rate'; an outcome of this name has to stand in outcomes",
        ),
        ({"objective": {"metric": "duration_ms.mean"}}, "or an outcome, got 'duration_ms.mean'"),
        ({"objective": {"metric": "Succes"}}, "objective.metric: got 'Succes'; did you mean success?"),
        ({"metrics": [{**PAID, "name": "revenue"}]}, "metrics[0]: 'revenue' is a metric of this file, expected an"),
        ({"metrics": [{**SHARE, "expression": "erors"}]}, "metrics[0].expression: column 1: expected a known name"),
        ({"metrics": [{"name": "x"}]}, "spec.metrics[0].expression: expected a value, found none"),
        ({"metrics": [{**GOOD, "parts": [{**SHARE}]}]}, "spec.metrics[0].parts[0].name: no such field"),
        (
            {"metrics": [PAID], "outcomes": ["revenues"]},
            "spec.metrics[0]: expected an outcome out of revenues; got 'revenue'; did you mean revenues?",
        ),
        ({"outcomes": ["a", "a"]}, "spec.outcomes: name 'a' stands twice"),
        (
            {"metrics": [SHARE, PAID], "guardrails": [rail(name="shar")]},
            "spec.guardrails[0].name: expected a metric out of share, paid; got 'shar'; did you mean share?",
        ),
        ({"guardrails": [rail()]}, "spec.guardrails[0].name: expected a metric out of (none); got 'share'"),
        ({"metrics": [SHARE], "guardrails": [rail(max=None)]}, "[0].max: expected a value here or in min, maxRatio"),
        ({"metrics": [SHARE], "guardrails": [rail(max=float("nan"))]}, "guardrails[0].max: expected a finite number"),
        (
            {"metrics": [SHARE], "guardrails": [{"metric": "outcome", "name": "share", "max": 1}]},
            "spec.guardrails[0].name: 'share' is a metric of this file, expected an outcome",
        ),
        (
            {"outcomes": ["rating"], "guardrails": [{"metric": "outcome", "name": "raiting", "max": 1}]},
            "spec.guardrails[0].name: expected an outcome out of rating; got 'raiting'; did you mean rating?",
        ),
        (
            {"outcomes": ["bought"], "metrics": [GOOD], "objective": {"metric": "god"}},
            "spec.objective.metric: expected a metric or an outcome out of success, good, bought; got 'god'; did you",
        ),
        ({"metrics": [PAID], "objective": {"metric": "paid"}}, "values: paid is an expression: expected real"),
        (
            {"metrics": [GOOD], "objective": {"metric": "good", "values": "real"}},
            "spec.objective.values: good is a composite, from 0 to 1: expected share",
        ),
        (
            {"metrics": [{"name": f"m{n}", "expression": " + ".join(f'outcome("o{n}-{k}").sum' for k in range(9))}
                         for n in range(4)]},
            "spec.metrics: expected at most 32 outcomes read, guardrails included, got 36",
        ),
        ({"segments": [{"name": "mobile"}, {"name": "mobile"}]}, "spec.segments: name 'mobile' stands twice"),
        ({"segments": [{"name": "Mobile"}]}, "spec.segments[0].name: expected a text that matches"),
        (
            {"segments": [{"name": "mobile", "features": {f"f{n}": 1 for n in range(33)}}]},
            "spec.segments: expected at most 32 different features, got 33",
        ),
        ({"segments": [{"name": "mobile", "features": {"x": float("inf")}}]}, "spec.segments[0].features.x: expected"),
        ({"segments": [{"name": f"s{n}"} for n in range(17)]}, "spec.segments: "),
    ],
)  # fmt: skip
def test_a_name_that_is_taken_or_does_not_exist_is_refused_with_the_nearest(fields: Any, problem: str) -> None:
    with pytest.raises(InvalidRelease) as refused:
        read(**fields)
    assert problem in str(refused.value)
