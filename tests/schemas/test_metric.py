"""Metrics that a user defines: what a release file may say of them."""

from collections.abc import Mapping

import pytest
from pydantic import TypeAdapter, ValidationError

from trimtab.schemas.expression import parse
from trimtab.schemas.metric import Composite, Metric, UserMetric

METRICS: TypeAdapter[tuple[UserMetric, ...]] = TypeAdapter(tuple[UserMetric, ...])
FAST: Mapping[str, object] = {"expression": "latency.p99", "better": "low", "from": 100, "to": 500}


def part(**changes: object) -> dict[str, object]:
    return {**FAST, **changes}


def composite(*parts: Mapping[str, object]) -> dict[str, object]:
    return {"name": "experience", "parts": list(parts)}


def test_a_metric_knows_its_tree_and_the_outcomes_that_it_reads() -> None:
    metric = Metric(name="paid", expression='outcome("revenue").sum / requests')
    assert (metric.tree, metric.outcomes) == (parse(metric.expression), {"revenue"})


def test_a_composite_knows_the_outcomes_that_its_parts_read() -> None:
    read = Composite.model_validate(
        composite(FAST, part(expression='outcome("a").mean'), part(expression='outcome("b").sum'))
    )
    assert read.outcomes == {"a", "b"}
    assert read.parts[0].tree == parse("latency.p99")


def test_a_list_holds_metrics_of_both_kinds_and_is_written_as_it_was_read() -> None:
    written = [{"name": "share", "expression": "errors / responses"}, composite(part(weight=2.0))]
    read = METRICS.validate_python(written)
    assert isinstance(read[0], Metric)
    assert isinstance(read[1], Composite)
    assert METRICS.validate_json(METRICS.dump_json(read, by_alias=True)) == read
    assert METRICS.dump_python(read, by_alias=True)[1]["parts"][0]["from"] == 100


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (composite(part(to=100)), "to: expected a number above from, which is 100, got 100"),
        (composite(part(weight=0)), "greater than 0"),
        (composite(part(to=float("inf"))), "less than or equal to 1"),
        (composite(part(to=float("nan"))), "nan"),
        (composite(part(better="most")), "'high' or 'low'"),
        (composite(part(scale=1)), "Extra inputs are not permitted"),
        (composite(part(expression="latency")), "column 1: expected a known name, found 'latency'"),
        (composite(), "at least 1 item"),
        (composite(*[FAST] * 17), "at most 16 items"),
        ({"name": "share", "expression": "errors / "}, "column 10: expected a number"),
        ({"name": "a share", "expression": "1"}, "pattern"),
    ],
)
def test_what_makes_no_sense_is_refused(written: dict[str, object], problem: str) -> None:
    model = Composite if "parts" in written else Metric
    with pytest.raises(ValidationError, match=problem):
        model.model_validate(written)
