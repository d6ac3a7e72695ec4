from trimtab.streams.progress import Standing


def standing(position: int, end: int, seconds: float = 0.0) -> Standing:
    return Standing("trimtab.evidence/3", position, has_begun=True, end=end, seen_end=end, seconds=seconds)


def watched(*looks: tuple[int, int]) -> Standing:
    """Gives the last of some looks (position, end), a second apart."""
    seen: Standing | None = None
    for position, end in looks:
        seen = standing(position, end).after(seen, 1.0)
    assert seen is not None
    return seen


def test_a_partition_that_stands_while_its_log_grows_is_counted_from_the_growth_on() -> None:
    assert watched((5, 6), (5, 7), (5, 8), (5, 9)).seconds == 3.0


def test_a_partition_whose_position_moves_is_not_standing_however_far_behind() -> None:
    assert watched((5, 1000), (6, 2000), (7, 3000)).seconds == 0.0


def test_one_move_starts_the_count_anew() -> None:
    assert watched((5, 6), (5, 7), (5, 8), (6, 9), (6, 10)).seconds == 1.0


def test_a_log_that_does_not_grow_keeps_nobody_standing() -> None:
    assert watched((5, 9), (5, 9), (5, 9)).seconds == 0.0


def test_a_partition_that_is_at_its_end_is_not_standing() -> None:
    assert watched((9, 8), (9, 9), (9, 9)).seconds == 0.0


def test_growth_that_ends_does_not_hide_what_was_never_taken() -> None:
    assert watched((5, 6), (5, 7), (5, 7), (5, 7)).seconds == 3.0


def test_a_standing_partition_is_described_with_offset_end_lag_and_time() -> None:
    said = str(standing(5, 905, seconds=31.2))
    assert said == "trimtab.evidence/3 stands at offset 5, its log ends at 905, 900 ahead, for 31 s"
