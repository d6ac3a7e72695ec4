"""A log file as a source of lines: its tail, and the checkpoint that says up to where they have been delivered."""

import time
from pathlib import Path
from typing import Final

from trimtab.sidecar.checkpoint import Checkpoint, Position, position_of, position_text
from trimtab.sidecar.tail import Tail

_LOOK_EVERY_S: Final = 0.02
_STORE_EVERY_S: Final = 0.5
"""Writing to the disk costs more than reading the lines that it is about; what was delivered since is on Kafka."""


class FileSource:
    """The lines of the log at `path`, from where the checkpoint or Kafka says that they are not delivered yet.

    Raises `CheckpointTaken` where another process has the checkpoint, `InvalidRecord` where it is none.
    """

    def __init__(self, path: Path, checkpoint: Path) -> None:
        self._checkpoint = Checkpoint(checkpoint)
        self._tail = Tail(path, self._checkpoint.position)
        if self._checkpoint.position is None:
            self._checkpoint.store(self._tail.position)  # from here on no line is missed
        self._end = self._tail.position
        self._gaps = 0
        self._stored_s = 0.0
        self._unstored: tuple[Position, str] | None = None

    @property
    def note(self) -> str:
        """What the checkpoint says beside the position."""
        return self._checkpoint.note

    @property
    def position(self) -> bytes:
        """The position after the lines that were read last."""
        return position_text(self._end)

    @property
    def gaps(self) -> int:
        """Times that lines were lost, because a file was gone or truncated before it was read."""
        return self._gaps + self._tail.gaps + self._tail.truncations

    def begin(self, delivered: bytes | None, note: str) -> None:
        """Goes back to where delivery stands: the position of the newest message on Kafka, or else the checkpoint's."""
        settled = self._unstored[0] if self._unstored else self._checkpoint.position
        position = position_of(delivered) if delivered else settled or Position()
        self._gaps += self._tail.gaps + self._tail.truncations
        self._tail.close()
        self._tail = Tail(self._tail.path, position)
        self._end = position
        self._store(position, note)

    def read(self, max_lines: int) -> list[bytes]:
        """Gives the next lines, at most so many; none, after a fiftieth of a second, where there are none."""
        chunk = self._tail.read(max_lines)
        if chunk is None:
            time.sleep(_LOOK_EVERY_S)  # between two looks: a file tells nobody that it has grown
            return []
        self._end = chunk.end
        return chunk.lines

    def last(self, _max_lines: int) -> list[bytes]:
        """Gives nothing: what is in the file at the end is there at the next beginning."""
        return []

    def settle(self, note: str) -> None:
        """Takes note that all that was read is delivered."""
        if time.monotonic() - self._stored_s < _STORE_EVERY_S:
            self._unstored = (self._end, note)
        else:
            self._store(self._end, note)

    def _store(self, position: Position, note: str) -> None:
        self._checkpoint.store(position, note)
        self._unstored, self._stored_s = None, time.monotonic()

    def close(self) -> None:
        """Stores how far delivery came, and closes the files."""
        if self._unstored is not None:
            self._store(*self._unstored)
        self._tail.close()
        self._checkpoint.close()
