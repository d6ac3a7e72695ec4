"""Values of users' metrics, against Python's own arithmetic and fractions."""

import math
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.builders import sketch_of
from schemas.trees import METRICS, trees, trees_with
from trimtab.engine.metric import MISSING, Missing, Value, evaluate, sample_count, value_of
from trimtab.engine.window import ArmWindow
from trimtab.schemas.evidence import COUNTS, FAILURES, VALUE_SCALE
from trimtab.schemas.expression import QUANTILES, Node, parse, text_of
from trimtab.schemas.metric import Composite, Metric

_COUNTS: Final = {"requests": 12, "responses": 10, "errors": 4, "client_errors": 1, "duration_us": 90_500, "bytes": 700,
                  "timeouts": 1, "connects": 0, "resets": 2, "overloads": 0}  # fmt: skip
_DURATIONS_US: Final = [2_000, 3_000, 4_000, 5_500, 6_000, 7_000, 8_000, 9_000, 16_000, 30_000]


def window(counts: dict[str, int] | None = None, values: dict[str, tuple[int, int, int]] | None = None) -> ArmWindow:
    chosen = _COUNTS if counts is None else counts
    cells = [chosen.get(name, 0) for name in COUNTS]
    return ArmWindow(cells, values or {}, sketch_of(_DURATIONS_US if chosen.get("responses") else []))


BUSY: Final = {"revenue": (4, 9 * VALUE_SCALE // 2, 0), "rating": (2, -3 * VALUE_SCALE, 0)}


def value(text: str, of: ArmWindow | None = None, in_flight: int | None = None) -> Value:
    return evaluate(parse(text), of or window(values=BUSY), in_flight)


class _Outcome:
    """What `outcome("NAME")` is to Python."""

    def __init__(self, metric: str) -> None:
        count, total, _ = BUSY[metric]
        self.count, self.sum, self.mean = float(count), total / VALUE_SCALE, total / VALUE_SCALE / count


class _Latency:
    def __init__(self, of: ArmWindow) -> None:
        for name, quantile in QUANTILES.items():
            setattr(self, name, of.latency.quantile_ms(quantile))


class _Duration:
    mean = 90.5 / 10


def by_python(tree: Node) -> Value:
    """What Python makes of the text of an expression; missing where it divides by zero."""
    names: dict[str, object] = {name: float(count) for name, count in _COUNTS.items()}
    names |= {"server_errors": 1.0, "in_flight": 3.0, "min": _least, "max": _greatest, "outcome": _Outcome,
              "latency": _Latency(window()), "duration_ms": _Duration()}  # fmt: skip
    try:
        return float(eval(text_of(tree), {"__builtins__": {}}, names))  # noqa: S307 - of our own text, in a test
    except ZeroDivisionError:
        return MISSING


def _least(*parts: float) -> float:
    return min(parts)


def _greatest(*parts: float) -> float:
    return max(parts)


@given(trees_with(st.integers(0, 1_000).map(float)))
def test_values_are_those_of_pythons_arithmetic(tree: Node) -> None:
    assert evaluate(tree, window(values=BUSY), 3) == by_python(tree)


@given(trees)
def test_a_value_is_finite_or_missing(tree: Node) -> None:
    result = evaluate(tree, window(values=BUSY), 3)
    assert isinstance(result, Missing) or math.isfinite(result)


small = st.integers(0, 5)


@given(small, small, small)
def test_a_quotient_is_missing_where_it_divides_by_zero_and_only_there(one: int, two: int, three: int) -> None:
    result = value(f"{one} / ({two} - {three})")
    if two == three:
        assert result is MISSING
    else:
        assert result == one / (two - three)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("errors / responses", 0.4),
        ("server_errors", 1.0),
        ("duration_ms.mean", 9.05),
        ("latency.p50", sketch_of(_DURATIONS_US).quantile_ms(0.5)),
        ("latency.p99_9", sketch_of(_DURATIONS_US).quantile_ms(0.999)),
        ('outcome("revenue").sum / requests', 0.375),
        ('outcome("revenue").mean', 1.125),
        ('outcome("rating").mean', -1.5),
        ('outcome("unheard").count', 0.0),
        ('outcome("unheard").sum', 0.0),
        ("max(1, errors, 2)", 4.0),
        ("min(1, errors, 2)", 1.0),
        ("-errors - -1", -3.0),
    ],
)
def test_names_mean_what_a_window_tells(text: str, expected: float) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    ["errors / responses", "latency.p50", "duration_ms.mean", 'outcome("revenue").mean', "in_flight", "1e300 * 1e300",
     "1 / 0", "0 * (1 / 0)", "max(1, latency.p50)", "min(latency.p50, 1)", "-latency.p50", "1 + in_flight",
     "1e300 / 1e-300"],
)  # fmt: skip
def test_what_is_not_known_makes_all_missing_that_is_computed_of_it(text: str) -> None:
    assert value(text, window({})) is MISSING


def test_a_window_without_traffic_still_has_counts() -> None:
    assert value('requests + errors + outcome("revenue").sum', window({})) == 0.0


def test_what_is_in_flight_is_what_the_caller_says() -> None:
    assert value("in_flight / 2", in_flight=3) == 1.5


@pytest.mark.parametrize(
    ("text", "n"),
    [("1 + 2", 0), ("requests", 12), ("errors", 10), ("errors / requests", 10), ('-outcome("revenue").mean', 4),
     ('max(latency.p99, outcome("rating").sum)', 2)],
)  # fmt: skip
def test_a_value_rests_on_whatever_it_has_fewest_of(text: str, n: int) -> None:
    assert sample_count(parse(text), window(values=BUSY)) == n


def part(expression: str, weight: float, better: str, from_: float, to: float) -> dict[str, object]:
    return {"expression": expression, "weight": weight, "better": better, "from": from_, "to": to}


def experience(*parts: dict[str, object]) -> Composite:
    return Composite.model_validate({"name": "experience", "parts": list(parts)})


@pytest.mark.parametrize(
    ("better", "figure", "expected"),
    [("high", 0, 0.0), ("high", 2, 0.25), ("high", 9, 1.0), ("low", 0, 1.0), ("low", 2, 0.75), ("low", 9, 0.0)],
)
def test_a_part_is_brought_to_a_scale_from_bad_to_good(better: str, figure: float, expected: float) -> None:
    assert value_of(experience(part(f"{figure}", 1.0, better, 1, 5)), window()) == expected


def test_a_composite_is_the_weighted_mean_of_its_parts() -> None:
    of = experience(part("errors / responses", 3.0, "low", 0, 1), part("requests", 1.0, "high", 0, 24))
    assert value_of(of, window()) == pytest.approx((3 * 0.6 + 0.5) / 4, rel=1e-15)


def test_a_composite_is_missing_where_a_part_is() -> None:
    of = experience(part("1", 1.0, "high", 0, 1), part("in_flight", 1.0, "low", 0, 100))
    assert value_of(of, window()) is MISSING
    assert value_of(of, window(), in_flight=0) == 1.0


@given(trees, trees)
def test_a_composite_is_between_nothing_and_one(one: Node, other: Node) -> None:
    def written(tree: Node) -> str:
        text = text_of(tree)
        return text if len(text) <= 500 else "1"

    of = experience(part(written(one), 2.0, "high", -1e15, 1e15), part(written(other), 0.5, "low", 0, 1e-15))
    result = value_of(of, window(values=BUSY), 3)
    assert isinstance(result, Missing) or 0.0 <= result <= 1.0


def test_a_metric_is_its_expression() -> None:
    assert value_of(Metric(name="share", expression="errors / responses"), window()) == 0.4


def test_every_counter_of_failures_is_a_name() -> None:
    assert [value(name) for name in FAILURES] == [1.0, 0.0, 2.0, 0.0]
    assert set(METRICS) == set(BUSY)
