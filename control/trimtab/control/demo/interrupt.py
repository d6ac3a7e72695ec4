"""Signals that end the demo, taken note of and acted upon at a safe point."""

import signal
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The demo was told to end; the message names the signal."""


class Interrupt:
    """Notes the first Ctrl-C, SIGTERM or SIGHUP in its `with` block, and lets nothing else come of any of them.

    No exception is raised into whatever runs: a server that is half started is always known to those who end it, and
    a second Ctrl-C cannot cut the cleaning up short.
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, object] = {}

    @property
    def exit_code(self) -> int | None:
        """128 + the signal's number, as shells have it; None while there was none."""
        return None if self._number is None else 128 + self._number

    @property
    def name(self) -> str:
        """The signal's name; empty while there was none."""
        return "" if self._number is None else signal.Signals(self._number).name

    def check(self) -> None:
        """Raises `Interrupted` if a signal came."""
        if self._number is not None:
            raise Interrupted(self.name)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._number is None:
            self._number = number

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave before
