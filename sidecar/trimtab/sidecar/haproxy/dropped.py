"""Lines that HAProxy itself has dropped: it never waits for its log, and where it cannot write it counts and goes on.

Two of its threads that write to standard output at once are such a case: one of them gives up after some hundred tries.
Hence the one thread of our configuration (`config.py`); for those of others there is this count.
"""

from typing import Final

_LINES: Final = "DroppedLogs"
_PROCESS: Final = "Pid"


class DroppedLines:
    r"""How many lines HAProxy has dropped since somebody first looked, over all its reloads.

    >>> dropped = DroppedLines()
    >>> [dropped.take(f"Pid: {pid}\nDroppedLogs: {count}\n") for pid, count in ((7, 5), (7, 6), (8, 2))]
    [0, 1, 3]
    """

    def __init__(self) -> None:
        self.count = 0
        self._process = ""
        self._seen: int | None = None

    def take(self, info: str) -> int:
        """Takes what HAProxy answers to `show info`, and gives the count; without those fields it stays."""
        fields = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
        if not fields.get(_LINES, "").isdecimal():
            return self.count
        lines, process = int(fields[_LINES]), fields.get(_PROCESS, "")
        if self._seen is not None:
            is_same = process == self._process and lines >= self._seen
            self.count += lines - (self._seen if is_same else 0)
        self._seen, self._process = lines, process
        return self.count
