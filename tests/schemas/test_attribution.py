"""What a release file may say of rewards that come late, and of sample ratios."""

import pytest
from pydantic import ValidationError

from engine.builders import Json, release
from trimtab.schemas.guardrail import SampleRatioGuardrail
from trimtab.schemas.release import parse_document
from trimtab.schemas.request import request_number


def objective(values: str = "share", metric: str = "rating", **attribution: object) -> Json:
    return {"metric": metric, "values": values, "attribution": {"window": "30m", **attribution}}


def thompson(of: Json) -> object:
    return release(objective=of, strategy={"type": "bandit", "policy": {"type": "thompson"}})


def test_what_is_not_said_is_the_usual() -> None:
    spec = release(objective=objective()).spec.objective.attribution
    assert spec is not None
    assert (spec.window, spec.default, spec.repeated) == (1_800_000, 0.0, "last")


def test_a_document_is_read_back_as_it_was() -> None:
    applied = release(objective=objective(default=0.5, repeated="max"), guardrails=[{"metric": "sample_ratio"}])
    assert parse_document(applied.document()) == applied


def test_real_values_may_have_any_default_and_be_summed() -> None:
    assert thompson(objective("real", default=-3.5, repeated="sum"))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (objective(window="2h"), "attribution.window\n  Value error, expected whole seconds from 1s to 1h, got 2h"),
        (objective(window="500ms"), "expected whole seconds from 1s to 1h, got 500ms"),
        (objective(window="1500ms"), "expected whole seconds from 1s to 1h, got 1500ms"),
        (objective(window=0), "expected a duration above 0"),
        (objective(default=1.5), "attribution.default: expected 0 to 1 where values are shares, got 1.5"),
        (objective(default=-0.1), "attribution.default: expected 0 to 1"),
        (objective(default=float("nan")), "attribution.default\n"),
        (objective("real", default=float("inf")), "attribution.default\n"),
        (objective("real", default=2.0**21), "attribution.default\n"),
        (objective(repeated="sum"), "attribution.repeated: sum needs values: real"),
        (objective(repeated="newest"), "Input should be 'first', 'last', 'sum' or 'max'"),
        (objective(metric="success"), "attribution: expected a metric of outcomes"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(bad: Json, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        thompson(bad)
    assert message in str(error.value)


def test_a_sample_ratio_pauses_at_a_chance_of_one_in_a_thousand_unless_it_says_otherwise() -> None:
    (usual,) = release(guardrails=[{"metric": "sample_ratio"}]).spec.guardrails
    assert isinstance(usual, SampleRatioGuardrail)
    assert (usual.confidence, usual.on_fail, usual.severity, usual.title) == (
        0.999,
        "pause",
        "ordinary",
        "sample_ratio",
    )
    with pytest.raises(ValidationError, match="stands twice"):
        release(guardrails=[{"metric": "sample_ratio"}, {"metric": "sample_ratio", "window": "1m"}])
    with pytest.raises(ValidationError, match="max"):
        release(guardrails=[{"metric": "sample_ratio", "max": 0.1}])


def test_numbers_of_requests_are_what_every_json_reads_exactly() -> None:
    numbers = [request_number(str(number)) for number in range(10_000)]
    assert len(set(numbers)) == 10_000
    assert min(numbers) > 0
    assert max(numbers) < 1 << 53
    assert request_number("\udcff") != request_number("x")
