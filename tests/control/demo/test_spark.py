from hypothesis import given
from hypothesis import strategies as st

from trimtab.control.demo.spark import ZERO, sparkline


def test_a_row_shows_eighths() -> None:
    assert sparkline([1.0, 0.5, 0.125], rows=1) == ["█▄▁"]


def test_rows_stack_from_the_bottom() -> None:
    assert sparkline([1.0, 0.5, 0.25], rows=2) == ["█  ", "██▄"]


def test_nothing_at_all_differs_from_very_little() -> None:
    assert sparkline([0.0, 0.0001], rows=1) == [f"{ZERO}▁"]


def test_what_is_not_known_stays_blank() -> None:
    assert sparkline([None, 1.0], rows=2) == [" █", " █"]


@given(st.lists(st.none() | st.floats(0, 1), max_size=100), st.integers(1, 5))
def test_every_row_is_as_long_as_the_values(values: list[float | None], rows: int) -> None:
    assert [len(line) for line in sparkline(values, rows)] == [len(values)] * rows
