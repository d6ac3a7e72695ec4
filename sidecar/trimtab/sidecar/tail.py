"""Following a log file, line by line, over rotations and over lives of the sidecar: no line lost, none told twice.

The rules, which are decided here and nowhere else:
  * Only whole lines are given. What stands after the last newline waits, until the writer has gone on to another file:
    then it is the last line of its own.
  * `read` gives lines and the position after them. Whoever delivered the lines stores that position
    (`checkpoint.py`); a tail that is opened there later goes on with the next line.
  * A file that is renamed is read to its end, and left only once its successor has something in it: the writer of one
    log writes to one file at a time, so nothing comes to the old one any more. Then come the files that were rotated
    since, by when they were last written to, then the one at the path.
  * A file that is truncated (`copytruncate`) is looked for under its other names: what was not read of it stands in
    the copy. What is written between the copying and the truncating is lost, in any reader; prefer renaming. A writer
    that does not append (HAProxy's standard output) goes on at its old offset: the zeros before are passed over.
  * Where the file of the position is gone, or is compressed, lines are missing: that is counted as a gap, never hidden.
  * A tail that has no position yet begins at the end of the log: what happened before it is not its business.
"""

import errno
import os
import stat
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from trimtab.sidecar.checkpoint import Position

READ_BYTES: Final = 256 * 1024
"""What is looked at in one go. A line without an end that is as long is given in parts, which no reader takes."""

_HEAD_BYTES: Final = 256
"""A line or two, with its time: enough to tell files apart."""

_COMPRESSED: Final = (".gz", ".xz", ".zst", ".bz2", ".lz4")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines, without their newlines, and the position after the last of them."""

    lines: list[bytes]
    end: Position


@dataclass(slots=True)
class _Open:
    """The file that is being read."""

    number: int
    """its descriptor"""
    inode: int
    offset: int = 0
    head_size: int = 0
    head: str = ""
    written_ns: int = 0
    """when it was last written to, as of the last look"""

    def status(self) -> os.stat_result:
        return os.fstat(self.number)

    def holds_what_was_read(self) -> bool:
        """Whether it has not been truncated since."""
        if self.status().st_size < self.offset or _digest(self.number, self.head_size) != self.head:
            return False
        return not self.offset or os.pread(self.number, 1, self.offset) != b"\0"

    @property
    def position(self) -> Position:
        return Position(
            inode=self.inode, offset=self.offset, head_size=self.head_size, head=self.head, written_ns=self.written_ns
        )  # fmt: skip


class Tail:
    """Reads the log at `path`, from `position` on or else from its present end. For one thread at a time.

    Raises `ValueError` where `path` is something else than a file: a pipe would be waited for without end. Other
    failures of the system come as `OSError`, from `read` too; the next call tries again.
    """

    def __init__(self, path: Path, position: Position | None = None) -> None:
        self.path = path
        self.gaps = 0
        """times that lines were lost, because the file that they stood in is gone"""
        self.truncations = 0
        """times that a file was truncated of which no copy was found"""
        self._file: _Open | None = None
        self._begin = position
        if position is None:
            self._begin_at_end()
        else:
            self._resume(position)

    @property
    def position(self) -> Position:
        """Where the next line begins. To be stored at once where there was no position."""
        return self._file.position if self._file else self._begin or Position()

    def read(self, max_lines: int) -> Chunk | None:
        """Gives the next lines, at most so many, or None while there are none. Never waits."""
        if self._file is None:
            self._resume(self._begin or Position())
        self._heed_truncation()
        while (file := self._file) is not None:
            # Looked for before the last look into the file: what was written before the writer moved on is there then.
            successor = self._successor(file)
            lines = _take(file, max_lines, is_final=successor is not None)
            if lines or successor is None:
                return Chunk(lines, file.position) if lines else None
            self._open(successor)
        return None

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file.number)
            self._file = None

    def _begin_at_end(self) -> None:
        if self._status() is None:
            self._begin = Position(written_ns=max((at.st_mtime_ns for _, at in self._rotated()), default=0))
            return
        self._open(self.path)
        if (file := self._file) is not None:
            _go_to(file, _last_line_end(file))

    def _resume(self, position: Position) -> None:
        """Opens the file of `position`, or the first one after it; none while there is none."""
        found = self._find(position) if position.inode else None
        if found is not None:
            self._open(found)
            if self._file is not None:
                _go_to(self._file, position.offset)
            return
        after = self._first_written_after(position.written_ns)
        if after is not None:
            self.gaps += position.inode != 0
            self._open(after)

    def _find(self, position: Position) -> Path | None:
        """Gives the path of the file that `position` is in: by its inode, or else the copy of it."""
        known = [(path, status) for path, status in self._all() if _holds(path, status, position)]
        same = [path for path, status in known if status.st_ino == position.inode]
        copies = [path for path, _ in known if position.head_size]
        return next(iter(same + copies), None)

    def _successor(self, file: _Open) -> Path | None:
        """Gives the path of the file to go on with after `file`, None while it is the one being written."""
        live = self._status()
        if live is not None and live.st_ino == file.inode:
            return None
        return self._first_written_after(file.status().st_mtime_ns, but=file)

    def _heed_truncation(self) -> None:
        """After a truncation, goes on with what the copy has more, or else at the file's new beginning."""
        file = self._file
        if file is None or file.holds_what_was_read():
            return
        position = file.position
        copies = [path for path, status in self._rotated() if _holds(path, status, position)]
        if copies and position.head_size:
            self._open(copies[0])
            if self._file is not None:
                _go_to(self._file, position.offset)
            return
        self.truncations += 1
        _go_to(file, 0)
        if (after := self._first_written_after(file.written_ns)) is not None:
            self._open(after)

    def _first_written_after(self, written_ns: int, *, but: _Open | None = None) -> Path | None:
        """Gives the next file in which something stands: the oldest of those that were rotated since, else the log."""
        for path, status in self._rotated():
            is_same = but is not None and (status.st_ino == but.inode or _is_copy(path, but))
            if status.st_mtime_ns > written_ns and status.st_size and not is_same:
                return path
        live = self._status()
        return self.path if live is not None and live.st_size else None

    def _status(self) -> os.stat_result | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"log {self.path}: expected a file, found something else")
        return status

    def _all(self) -> list[tuple[Path, os.stat_result]]:
        live = self._status()
        return ([(self.path, live)] if live is not None else []) + self._rotated()

    def _rotated(self) -> list[tuple[Path, os.stat_result]]:
        """Gives the files that are named after the log (`LOG.1`, `LOG-20260101`), by when they were last written to."""
        found = []
        for path in self.path.parent.glob(f"{_literal(self.path.name)}[.-]*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # renamed since
                continue
            if stat.S_ISREG(status.st_mode) and path.suffix not in _COMPRESSED:
                found.append((path, status))
        return sorted(found, key=lambda each: (each[1].st_mtime_ns, each[0].name))

    def _open(self, path: Path) -> None:
        """Goes to the beginning of a file; stays where it is if that has been renamed in this instant."""
        try:
            number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        self.close()
        status = os.fstat(number)
        self._file = _Open(number, status.st_ino, written_ns=status.st_mtime_ns)


def _take(file: _Open, max_lines: int, *, is_final: bool) -> list[bytes]:
    """Gives the next lines of a file and goes past them."""
    file.written_ns = file.status().st_mtime_ns
    if not file.offset:
        file.offset = _first_byte(file.number)
    data = os.pread(file.number, READ_BYTES, file.offset)
    whole, newline, rest = data.rpartition(b"\n")
    lines = whole.split(b"\n") if newline else []
    size = len(whole) + len(newline)
    if not lines and rest and (is_final or len(rest) == READ_BYTES):
        lines, size = [rest], len(rest)
    if len(lines) > max_lines:
        lines = lines[:max_lines]
        size = sum(map(len, lines)) + max_lines
    if lines:
        _go_to(file, file.offset + size)
    return lines


def _first_byte(number: int) -> int:
    """Gives where a file's first byte is that is not zero; 0 where there is none."""
    try:
        at = os.lseek(number, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a hole, or nothing at all
            return 0
        raise
    while data := os.pread(number, READ_BYTES, at):
        if found := data.lstrip(b"\0"):
            return at + len(data) - len(found)
        at += len(data)
    return 0


def _go_to(file: _Open, offset: int) -> None:
    file.offset = offset
    if offset < file.head_size or file.head_size < _HEAD_BYTES:
        file.head_size = min(_HEAD_BYTES, offset)
        file.head = _digest(file.number, file.head_size)


def _last_line_end(file: _Open) -> int:
    """Gives where the last line that has an end ends."""
    end = file.status().st_size
    while end > 0:
        begin = max(0, end - READ_BYTES)
        at = os.pread(file.number, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0


def _holds(path: Path, status: os.stat_result, position: Position) -> bool:
    """Whether the file may be the one that `position` is in."""
    return status.st_size >= position.offset and _digest_at(path, position.head_size) == position.head


def _is_copy(path: Path, file: _Open) -> bool:
    return file.head_size > 0 and _digest_at(path, file.head_size) == file.head


def _digest_at(path: Path, size: int) -> str | None:
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:  # renamed since
        return None
    try:
        return _digest(number, size)
    finally:
        os.close(number)


def _digest(number: int, size: int) -> str:
    if not size:
        return ""
    return blake2b(os.pread(number, size, 0), digest_size=8).hexdigest()


def _literal(name: str) -> str:
    """Gives a name as a pattern of itself."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)
