"""What becomes of the weights of segments, one rule at a time."""

from collections.abc import Sequence

from trimtab.engine.segment_weights import carried, carried_over, settled, withdrawn
from trimtab.engine.strategy.situation import Move

WHOLE, TO_WHOLE = [9_000, 1_000], (9_000.0, 1_000.0)


def halfway(target: Sequence[float], current: Sequence[int]) -> list[int]:
    """Weights half the way from where they are to where they should go."""
    return [round((share + weight) / 2) for share, weight in zip(target, current, strict=True)]


def test_a_segment_with_a_target_goes_there_from_where_it_was() -> None:
    move = Move(TO_WHOLE, "", segments={"mobile": (0.0, 10_000.0)})
    assert settled({"mobile": [6_000, 4_000]}, move, WHOLE, WHOLE, halfway) == {"mobile": [3_000, 7_000]}


def test_a_segment_that_had_no_weights_of_its_own_comes_from_the_whole() -> None:
    move = Move(TO_WHOLE, "", segments={"mobile": (0.0, 10_000.0)})
    assert settled({}, move, [8_000, 2_000], WHOLE, halfway) == {"mobile": [4_000, 6_000]}


def test_a_segment_without_a_target_goes_where_the_whole_goes() -> None:
    held = {"mobile": [5_000, 5_000]}
    assert settled(held, Move(TO_WHOLE, ""), [10_000, 0], WHOLE, halfway) == {"mobile": [7_000, 3_000]}


def test_a_segment_that_has_come_to_the_whole_has_no_weights_of_its_own_any_more() -> None:
    assert settled({"mobile": [9_000, 1_000]}, Move(TO_WHOLE, ""), WHOLE, WHOLE, halfway) == {}


def test_a_segment_with_a_target_keeps_its_weights_though_they_are_those_of_the_whole() -> None:
    move = Move(TO_WHOLE, "", segments={"mobile": TO_WHOLE})
    assert settled({}, move, WHOLE, WHOLE, halfway) == {"mobile": WHOLE}


def test_whoever_may_not_take_traffic_loses_it_in_every_segment() -> None:
    held = {"mobile": [5_000, 3_000, 2_000], "desktop": [0, 0, 10_000]}
    assert withdrawn(held, [True, True, False], 0) == {"mobile": [7_000, 3_000, 0], "desktop": [10_000, 0, 0]}


def test_weights_follow_their_variants_and_those_of_the_gone_go_to_the_baseline() -> None:
    assert carried_over({"v1": 5_000, "v2": 3_000, "v3": 2_000}, ["v4", "v3", "v1"], "v1") == [0, 2_000, 8_000]
    assert carried({"mobile": [4_000, 6_000]}, ["v1", "v2"], ["v2", "v1"], "v1") == {"mobile": [6_000, 4_000]}
