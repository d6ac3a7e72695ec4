"""A log is followed over rotations and over lives of its reader: no line lost, none told twice."""

import io
import os
import random
from pathlib import Path

import pytest

from trimtab.schemas.errors import InvalidRecord
from trimtab.sidecar.checkpoint import Checkpoint, CheckpointTaken, Position, position_of, position_text
from trimtab.sidecar.log_file import FileSource
from trimtab.sidecar.tail import READ_BYTES, Tail

BEGINNING = Position()


class Log:
    """A log that is written to and rotated. Its clock goes by a second at each write, for rotation goes by times."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.log"
        self._now_s = 1_767_225_600
        self.path.touch()

    def write(self, text: str, at: Path | None = None) -> None:
        path = at or self.path
        with path.open("a") as file:
            file.write(text)
        self._pass_time(path)

    def write_by(self, writer: io.FileIO, text: str) -> None:
        """Writes where the writer stands, and not at the end."""
        writer.write(text.encode())
        self._pass_time(self.path)

    def rotate(self, *, keep: int = 9) -> None:
        """As logrotate does: LOG.1 becomes LOG.2, LOG becomes LOG.1."""
        self._shift(keep)
        self.path.rename(self.rotated(1))

    def copy_and_truncate(self) -> None:
        self._shift(99)
        self.rotated(1).write_bytes(self.path.read_bytes())
        os.utime(self.rotated(1), (self._now_s, self._now_s))
        os.truncate(self.path, 0)

    def _shift(self, keep: int) -> None:
        for number in range(keep, 0, -1):
            if self.rotated(number).exists():
                self.rotated(number).rename(self.rotated(number + 1))

    def _pass_time(self, path: Path) -> None:
        self._now_s += 1
        os.utime(path, (self._now_s, self._now_s))

    def rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def rest(tail: Tail, max_lines: int = 100) -> list[str]:
    lines: list[str] = []
    while chunk := tail.read(max_lines):
        lines += [line.decode() for line in chunk.lines]
    return lines


def test_lines_come_in_order_and_a_few_at_a_time(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb\nc\n")
    chunk = tail.read(2)
    assert chunk is not None
    assert (chunk.lines, chunk.end.offset) == ([b"a", b"b"], 4)
    assert rest(tail) == ["c"]
    assert tail.read(2) is None


def test_without_a_position_it_begins_at_the_end_of_the_last_whole_line(log: Log) -> None:
    log.write("old\nhalf")
    tail = Tail(log.path)
    log.write(" and half\nnew\n")
    assert rest(tail) == ["half and half", "new"]


def test_a_log_that_is_not_there_yet_is_read_from_its_first_line(log: Log) -> None:
    log.path.unlink()
    tail = Tail(log.path)
    assert tail.read(1) is None
    kept = tail.position
    log.write("a\n")
    assert rest(tail) == ["a"]
    assert rest(Tail(log.path, kept)) == ["a"]


def test_half_a_line_waits_for_its_end(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb")
    assert rest(tail) == ["a"]
    log.write("c\n")
    assert rest(tail) == ["bc"]


def test_a_position_is_where_another_tail_goes_on(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb\nc\n")
    chunk = tail.read(1)
    assert chunk is not None
    assert rest(Tail(log.path, position_of(position_text(chunk.end)))) == ["b", "c"]


def test_a_renamed_file_is_read_to_its_end_before_its_successor(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\n")
    assert rest(tail) == ["a"]
    log.rotate()
    log.write("b\n", at=log.rotated(1))  # the writer has not reopened yet
    assert rest(tail) == ["b"]
    log.path.touch()
    log.write("c\n", at=log.rotated(1))
    assert rest(tail) == ["c"]
    log.write("d\n")
    assert rest(tail) == ["d"]


def test_a_file_that_ends_without_a_newline_gives_its_last_line_once_it_is_left(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb")
    assert rest(tail) == ["a"]
    log.rotate()
    assert rest(tail) == []
    log.write("c\n")
    assert rest(tail) == ["b", "c"]


def test_several_rotations_between_two_looks_lose_nothing(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\n")
    assert rest(tail) == ["a"]
    for line in "bcd":
        log.write(f"{line}\n")
        log.rotate()
    log.write("e\n")
    assert rest(tail) == ["b", "c", "d", "e"]


def test_rotations_while_nobody_reads_lose_nothing(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb\n")
    tail.read(1)
    kept = tail.position
    tail.close()
    for line in "cd":
        log.rotate()
        log.write(f"{line}\n")
    again = Tail(log.path, kept)
    assert rest(again) == ["b", "c", "d"]
    assert again.gaps == 0


def test_a_file_that_is_gone_is_a_gap_and_what_is_left_is_read(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb\n")
    tail.read(1)
    kept = tail.position
    for line in "cd":
        log.rotate()
        log.write(f"{line}\n")
    log.rotated(2).unlink()
    again = Tail(log.path, kept)
    assert rest(again) == ["c", "d"]
    assert again.gaps == 1


def test_the_inode_of_a_deleted_file_does_not_make_its_successor_the_same(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a first line\n")
    tail.read(1)
    kept = tail.position
    with log.path.open("r+") as file:  # another content under the same inode
        file.write("X other line\nand more\n")
    again = Tail(log.path, kept)
    assert rest(again) == ["X other line", "and more"]
    assert again.gaps == 1


def test_what_was_not_read_before_a_truncation_is_read_in_the_copy(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\n")
    assert rest(tail) == ["a"]
    log.write("b\n")
    log.copy_and_truncate()
    log.write("c\n")
    assert rest(tail) == ["b", "c"]
    assert (tail.truncations, tail.gaps) == (0, 0)


def test_a_truncation_while_nobody_reads_loses_nothing_that_was_copied(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\nb\n")
    tail.read(1)
    log.copy_and_truncate()
    log.write("c\n")
    assert rest(Tail(log.path, tail.position)) == ["b", "c"]


def test_a_truncation_without_a_copy_is_counted(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a long line\n")
    assert rest(tail) == ["a long line"]
    os.truncate(log.path, 0)
    log.write("b\n")
    assert rest(tail) == ["b"]
    assert tail.truncations == 1


def test_zeros_of_a_writer_that_does_not_append_are_passed_over(log: Log) -> None:
    tail, told = Tail(log.path, BEGINNING), list[str]()
    with log.path.open("wb", buffering=0) as writer:
        for number in range(30):
            log.write_by(writer, f"{number}\n")
            if number % 3 == 0:
                told += rest(tail)
            if number % 4 == 0:
                log.copy_and_truncate()
                if number % 8:
                    told += rest(tail)
            if number == 20:
                writer.seek(300_000)  # more zeros than are read in one go
    assert told + rest(tail) == [str(number) for number in range(30)]
    assert (tail.truncations, tail.gaps) == (0, 0)


def test_what_was_rotated_after_a_truncation_without_a_copy_is_read(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a line that is read\n")
    assert rest(tail) == ["a line that is read"]
    os.truncate(log.path, 0)
    log.write("b\n")
    log.rotate()
    log.write("c\n")
    assert rest(tail) == ["b", "c"]
    assert tail.truncations == 1


def test_compressed_files_and_those_of_other_logs_are_left_alone(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("a\n")
    assert rest(tail) == ["a"]
    log.rotate()
    for name in ("access.log.2.gz", "access.logs", "error.log.1"):
        log.write("no\n", at=log.path.with_name(name))
    log.write("b\n")
    assert rest(tail) == ["b"]


def test_a_line_without_an_end_is_given_in_parts(log: Log) -> None:
    tail = Tail(log.path, BEGINNING)
    log.write("x" * (READ_BYTES + 5) + "\nb\n")
    assert [len(line) for line in rest(tail)] == [READ_BYTES, 5, 1]


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: expected a file, found something else"):
        Tail(tmp_path / "pipe")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_in_whatever_order_each_line_comes_once(log: Log, seed: int) -> None:
    draw = random.Random(seed)
    tail, written, told = Tail(log.path, BEGINNING), 0, list[str]()
    kept = tail.position
    for _ in range(200):
        match draw.choice(["write", "write", "write", "read", "read", "rotate", "restart"]):
            case "write":
                count = draw.randrange(4)
                log.write("".join(f"line {written + number}\n" for number in range(count)))
                written += count
            case "read":
                if chunk := tail.read(draw.randrange(1, 5)):
                    told += [line.decode() for line in chunk.lines]
                    kept = chunk.end
            case "rotate" if log.path.exists():
                log.rotate(keep=200)
            case "restart":
                tail.close()
                tail = Tail(log.path, kept)
    told += rest(tail)
    assert told == [f"line {number}" for number in range(written)]
    assert (tail.gaps, tail.truncations) == (0, 0)


def test_a_checkpoint_is_there_in_the_next_life(tmp_path: Path) -> None:
    position = Position(inode=7, offset=9, head_size=2, head="ab", written_ns=5)
    with Checkpoint(tmp_path / "checkpoint") as first:
        assert (first.position, first.note) == (None, "")
        first.store(position, "partition 3")
    with Checkpoint(tmp_path / "checkpoint") as second:
        assert (second.position, second.note) == (position, "partition 3")


def test_a_checkpoint_has_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        Checkpoint(tmp_path / "checkpoint"),
        pytest.raises(CheckpointTaken, match="checkpoint: another process uses it"),
    ):
        Checkpoint(tmp_path / "checkpoint")


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"position": {"offset": "x"}}', '{"v": 9, "position": {}}'])
def test_a_file_that_is_no_checkpoint_is_refused_and_left(tmp_path: Path, text: str) -> None:
    (tmp_path / "checkpoint").write_text(text)
    for _ in range(2):  # a refusal does not keep the lock
        with pytest.raises(InvalidRecord, match=r"checkpoint: .*a checkpoint"):
            Checkpoint(tmp_path / "checkpoint")
    assert (tmp_path / "checkpoint").read_text() == text


def test_delivery_that_begins_anew_goes_on_after_what_was_settled_last(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")
    source = FileSource(log, tmp_path / "checkpoint")
    source.begin(None, "0:0")
    for number in range(5):
        with log.open("ab") as file:
            file.write(f"line {number}\n".encode())
        assert source.read(10) == [f"line {number}".encode()]
        source.settle(f"0:{number}")
    source.begin(None, "0:4")
    assert source.read(10) == []
    source.close()
    again = FileSource(log, tmp_path / "checkpoint")
    assert again.note == "0:4"
    again.begin(None, again.note)
    assert again.read(10) == []
    again.close()
