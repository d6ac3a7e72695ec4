import pytest
from pydantic import ValidationError

from trimtab.schemas.scaling import Scale, Scaling, ToOne

INSTANCES = {"type": "scaleInstances", "min": 1, "max": 4}


def scaling(**more: object) -> Scaling:
    return Scaling.model_validate(
        {"type": "responseTimeSlidingWindow", "upper": 300, "lower": 100, "escalation": INSTANCES} | more
    )


def nested(levels: int, parts: int = 1) -> object:
    escalation: object = INSTANCES
    for _ in range(levels - 1):
        escalation = {"type": "toAll", "escalations": [escalation] * parts}
    return escalation


def test_window_and_cooldown_are_ten_minutes_unless_told() -> None:
    assert (scaling().window, scaling().cooldown) == (600_000, 600_000)
    assert scaling(cooldown="30s").cooldown == 30_000


def test_a_file_reads_back() -> None:
    chain = {"type": "toOne", "escalations": [INSTANCES, {"type": "scaleCpu", "min": 500, "max": 2_000, "step": 250}]}
    written = scaling(escalation=chain, minSamples=50)
    assert Scaling.model_validate_json(written.model_dump_json(by_alias=True)) == written
    assert isinstance(written.escalation, ToOne)


@pytest.mark.parametrize(
    ("type_", "resource"), [("scaleInstances", "instances"), ("scaleCpu", "cpu"), ("scaleMemory", "memory")]
)
def test_a_step_names_its_resource(type_: str, resource: str) -> None:
    assert Scale.model_validate({"type": type_, "min": 1, "max": 1}).resource == resource


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lower": 300}, "lower: expected below upper 300, got 300"),
        ({"upper": 0}, "greater than 0"),
        ({"upper": float("nan")}, "greater than 0|finite"),
        ({"cooldown": 0}, "expected a duration above 0"),
        ({"escalation": {**INSTANCES, "min": 5}}, "min: expected at most max 4, got 5"),
        ({"escalation": {**INSTANCES, "step": 0}}, "greater than or equal to 1"),
        ({"escalation": {**INSTANCES, "target": "Not A Name"}}, "match pattern"),
        ({"escalation": {"type": "toOne", "escalations": []}}, "at least 1 item"),
        ({"escalation": {"type": "scaleDisk", "min": 1, "max": 2}}, "scaleInstances"),
        ({"escalation": nested(9)}, "expected at most 8 levels and 64 steps, got 9 and 1"),
        ({"escalation": nested(8, parts=2)}, "expected at most 8 levels and 64 steps, got 8 and 128"),
        ({"slowerRatio": 1}, "greater than 1"),
        ({"metric": "mean"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        scaling(**wrong)


def test_a_step_of_a_target_is_allowed() -> None:
    step = scaling(escalation={**INSTANCES, "target": "orders-db"}).escalation
    assert isinstance(step, Scale)
    assert step.target == "orders-db"


def test_what_nests_without_end_is_refused() -> None:
    with pytest.raises(ValidationError):
        scaling(escalation=nested(2_000))
