"""Tiles by their number: in one piece or in several, nobody can tell."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.contribution import PaneContent
from trimtab.engine.tile import Change, merged, merged_each, summed
from trimtab.engine.tiles import Tiles, add_all
from trimtab.schemas.evidence import ALWAYS

SECOND = 100


def content(count: int, bucket: int = 5) -> PaneContent:
    cells = np.full(len(ALWAYS), count, dtype="<i8").tobytes()
    return PaneContent(cells, bucket.to_bytes(2, "little"), count.to_bytes(4, "little"), {"paid": (1, count, count)})


def change(count: int, sign: int = +1, bucket: int = 5) -> Change:
    return (SECOND, sign, content(count, bucket))


def tiles_of(*changes: tuple[int, Change]) -> Tiles:
    tiles = Tiles()
    for number, one in changes:
        tiles.add(number, [one], ("paid",))
    return tiles


def test_what_is_handed_over_becomes_part_of_the_tile() -> None:
    longer = tiles_of((0, change(1)))
    shorter = tiles_of((3, change(2)), (4, change(4)))
    shorter.hand_over([3, 4], longer, 0)
    assert longer.get(0) == merged((), [change(1), change(2), change(4)])
    assert longer.values == {0: {"paid": (3, 7, 7)}}
    assert not shorter.all()
    assert not shorter.values


def test_a_tile_lies_in_pieces_until_a_later_one_begins() -> None:
    longer, shorter = Tiles(), tiles_of((3, change(2)), (4, change(4)), (5, change(8)))
    shorter.hand_over([3], longer, 0)
    shorter.hand_over([4], longer, 0)
    assert len(longer.all()) == 2
    shorter.hand_over([5], longer, 1)
    assert longer.all() == [merged((), [change(2), change(4)]), merged((), [change(8)])]


def test_a_tile_in_pieces_has_one_number_and_one_tile_in_a_snapshot() -> None:
    longer, shorter = Tiles(), tiles_of((3, change(2)), (4, change(4)))
    shorter.hand_over([3], longer, 0)
    shorter.hand_over([4], longer, 0)
    assert longer.before(1) == [0]
    assert longer.snapshot()[0] == [(0, merged((), [change(2), change(4)]))]
    assert len(longer.all()) == 1


def test_a_tile_in_pieces_that_come_to_nothing_is_none() -> None:
    longer, shorter = Tiles(), tiles_of((3, change(2)), (4, change(2, sign=-1)))
    shorter.hand_over([3], longer, 0)
    shorter.hand_over([4], longer, 0)
    assert longer.get(0) == b""
    assert not longer.all()
    assert longer.values == {}


def test_a_tile_in_pieces_is_dropped_as_a_whole() -> None:
    longer, shorter = Tiles(), tiles_of((3, change(2)), (4, change(4)))
    shorter.hand_over([3], longer, 0)
    shorter.hand_over([4], longer, 0)
    longer.drop([0])
    assert not longer.all()
    assert longer.values == {}


def test_a_change_of_a_tile_in_pieces_is_of_all_of_it() -> None:
    longer, shorter = Tiles(), tiles_of((3, change(2)), (4, change(4)))
    shorter.hand_over([3], longer, 0)
    shorter.hand_over([4], longer, 0)
    longer.add(0, [change(4, sign=-1)], ("paid",))
    assert longer.all() == [merged((), [change(2)])]
    assert longer.values == {0: {"paid": (1, 2, 2)}}


drawn_changes = st.lists(
    st.builds(change, st.integers(1, 3), st.sampled_from((-1, +1)), st.integers(0, 40)), max_size=3
)


@given(st.lists(st.tuples(drawn_changes, drawn_changes), min_size=1, max_size=5))
def test_sums_side_by_side_are_those_one_by_one(drawn: list[tuple[list[Change], list[Change]]]) -> None:
    tiles = [[tile] if (tile := merged((), before)) else [] for before, _ in drawn]
    sums = [(of_sum, changes) for of_sum, (_, changes) in zip(tiles, drawn, strict=True)]
    assert merged_each(sums) == [merged(*one) for one in sums]
    for (before, after), tile in zip(drawn, merged_each(sums), strict=True):
        counts = summed([tile])[0].tolist() if tile else [0] * (len(ALWAYS))
        total = sum(sign * int(one.counts[0]) for _, sign, one in (*before, *after))
        assert counts[: len(ALWAYS)] == [total] * len(ALWAYS)


def test_changes_are_added_to_several_tiles_at_once() -> None:
    some, others = tiles_of((7, change(1))), Tiles()
    add_all([(some, 7, [change(2)]), (others, 7, [change(3), change(4)])], ("paid",))
    assert some.get(7) == merged((), [change(1), change(2)])
    assert others.get(7) == merged((), [change(3), change(4)])
    assert others.values == {7: {"paid": (2, 7, 7)}}
