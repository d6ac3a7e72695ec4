"""Escalation chains: what is scaled next."""

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from trimtab.engine.escalation import Amounts, Change, Direction, changed, escalate, least
from trimtab.schemas.scaling import Escalation, Scale

READ: TypeAdapter[Escalation] = TypeAdapter(Escalation)
INSTANCES = {"type": "scaleInstances", "min": 1, "max": 3}
CPU = {"type": "scaleCpu", "min": 500, "max": 1_000, "step": 400}
MEMORY = {"type": "scaleMemory", "min": 256, "max": 512, "step": 256}

STEPS = st.builds(
    lambda kind, low, room, step, target: {
        "type": kind, "min": low, "max": low + room, "step": step, "target": target,
    },
    st.sampled_from(["scaleInstances", "scaleCpu", "scaleMemory"]),
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(1, 3),
    st.sampled_from(["", "db"]),
)  # fmt: skip
ESCALATIONS = st.recursive(
    STEPS,
    lambda inner: st.builds(
        lambda kind, parts: {"type": kind, "escalations": parts},
        st.sampled_from(["toOne", "toAll"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
).map(READ.validate_python)
DIRECTIONS = st.sampled_from(Direction)


def chain(kind: str, *parts: object) -> Escalation:
    return READ.validate_python({"type": kind, "escalations": list(parts)})


def walk(escalation: Escalation, direction: Direction, amounts: Amounts | None = None) -> list[str]:
    """Every change, escalation after escalation, until nothing can any more."""
    amounts, lines = least(escalation) if amounts is None else amounts, []
    while changes := escalate(escalation, direction, amounts):
        amounts = changed(amounts, changes)
        lines.append(", ".join(map(str, changes)))
    return lines


def test_to_one_scales_up_from_the_head_until_one_can() -> None:
    assert walk(chain("toOne", INSTANCES, CPU), Direction.UP) == [
        "instances 1 -> 2",
        "instances 2 -> 3",
        "cpu 500 -> 900",
        "cpu 900 -> 1000",
    ]


def test_to_one_scales_down_from_the_tail() -> None:
    top = {("", "instances"): 3, ("", "cpu"): 1_000}
    assert walk(chain("toOne", INSTANCES, CPU), Direction.DOWN, top) == [
        "cpu 1000 -> 600",
        "cpu 600 -> 500",
        "instances 3 -> 2",
        "instances 2 -> 1",
    ]


def test_to_all_scales_every_part_that_can() -> None:
    assert walk(chain("toAll", INSTANCES, CPU), Direction.UP) == [
        "instances 1 -> 2, cpu 500 -> 900",
        "instances 2 -> 3, cpu 900 -> 1000",
    ]


def test_groups_nest() -> None:
    nested = chain("toOne", {"type": "toAll", "escalations": [CPU, MEMORY]}, INSTANCES)
    assert walk(nested, Direction.UP) == [
        "cpu 500 -> 900, memory 256 -> 512",
        "cpu 900 -> 1000",
        "instances 1 -> 2",
        "instances 2 -> 3",
    ]


def test_a_later_part_sees_what_an_earlier_one_has_changed() -> None:
    twice = chain("toAll", INSTANCES, INSTANCES)
    assert walk(twice, Direction.UP) == ["instances 1 -> 2, instances 2 -> 3"]


def test_what_is_scaled_may_be_another_service() -> None:
    step = READ.validate_python({**INSTANCES, "target": "db"})
    assert walk(step, Direction.UP)[0] == "instances of db 1 -> 2"


def test_amounts_outside_a_step_are_brought_to_its_near_end_only_on_the_way() -> None:
    step = READ.validate_python({**INSTANCES, "min": 2})
    assert escalate(step, Direction.UP, {("", "instances"): 9}) == ()
    assert escalate(step, Direction.DOWN, {("", "instances"): 9}) == (Change("", "instances", 9, 3),)
    assert escalate(step, Direction.UP, {("", "instances"): 1}) == (Change("", "instances", 1, 2),)
    assert escalate(step, Direction.DOWN, {("", "instances"): 1}) == ()


def test_of_several_steps_for_a_resource_the_greatest_min_is_the_start() -> None:
    assert least(chain("toOne", INSTANCES, {**INSTANCES, "min": 2})) == {("", "instances"): 2}


@given(ESCALATIONS)
def test_up_only_adds_and_ends_and_down_only_takes_and_ends(escalation: Escalation) -> None:
    amounts = dict(least(escalation))
    for direction in (Direction.UP, Direction.DOWN):
        for _ in range(100):
            changes = escalate(escalation, direction, amounts)
            assert all((change.after > change.before) == (direction is Direction.UP) for change in changes)
            assert all(change.after != change.before for change in changes)
            amounts = dict(changed(amounts, changes))
        assert changes == ()


@given(ESCALATIONS, DIRECTIONS, st.lists(st.integers(1, 12), min_size=6, max_size=6))
def test_no_change_leaves_the_limits_of_its_resource(
    escalation: Escalation, direction: Direction, start: list[int]
) -> None:
    amounts = dict(zip(sorted(least(escalation)), start, strict=False))
    for change in escalate(escalation, direction, amounts):
        limits = [(step.min, step.max) for step in leaves(escalation) if step.resource == change.resource]
        assert any(low <= change.after <= high for low, high in limits)


@given(ESCALATIONS, DIRECTIONS)
def test_nothing_is_advised_exactly_where_no_step_can(escalation: Escalation, direction: Direction) -> None:
    amounts = least(escalation)
    can = any(escalate(step, direction, amounts) for step in leaves(escalation))
    assert bool(escalate(escalation, direction, amounts)) == can


def leaves(escalation: Escalation) -> list[Scale]:
    if isinstance(escalation, Scale):
        return [escalation]
    return [leaf for part in escalation.escalations for leaf in leaves(part)]
