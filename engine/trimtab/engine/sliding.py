"""Sums over the last seconds of event time."""

from collections import deque
from collections.abc import Sequence


class Sliding:
    """Sums of rows of whole numbers, each of a second, over a window that moves on.

    >>> sums = Sliding(seconds=10, columns=2)
    >>> sums.add(100, [3, 1]), sums.add(105, [2, 0])
    (None, None)
    >>> sums.over(109), sums.over(110), sums.over(115)
    ([5, 1], [2, 0], [0, 0])
    """

    __slots__ = ("_rows", "_seconds", "_sums")

    def __init__(self, *, seconds: int, columns: int) -> None:
        """`seconds`: length of the window; `columns`: numbers in a row."""
        self._seconds = seconds
        self._rows: deque[tuple[int, list[int]]] = deque()
        self._sums = [0] * columns

    def add(self, second: int, row: Sequence[int]) -> None:
        """Adds a row; seconds never go back."""
        self._rows.append((second, list(row)))
        self._sums = [known + more for known, more in zip(self._sums, row, strict=True)]
        self.over(second)

    def over(self, second: int) -> list[int]:
        """Gives the sums of the window that ends with `second`, and forgets what is older."""
        while self._rows and self._rows[0][0] <= second - self._seconds:
            _, row = self._rows.popleft()
            self._sums = [known - less for known, less in zip(self._sums, row, strict=True)]
        return self._sums

    def snapshot(self) -> list[tuple[int, list[int]]]:
        """Gives the rows."""
        return [(second, list(row)) for second, row in self._rows]

    def restore(self, rows: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Goes on with the rows of a snapshot."""
        for second, row in rows:
            self.add(second, row)
