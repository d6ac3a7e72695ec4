"""What is SQLite's own: files, versions, several processes, and a writer that is killed."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.builders import digits, node, put
from trimtab.catalog.errors import WrongAddress
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.model_ref import ModelRef


def test_what_was_written_outlives_the_process(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path / "c.db")
    put(first, *digits())
    first.close()
    again = SqliteStore(tmp_path / "c.db", create=False)
    assert len(again.changes().rows) == len(digits())
    again.close()


def test_another_process_sees_what_was_written(tmp_path: Path) -> None:
    ours, theirs = SqliteStore(tmp_path / "c.db"), SqliteStore(tmp_path / "c.db")
    put(ours, *digits())
    assert theirs.revision() == 1
    put(theirs, node("dataset/more"))
    assert [row.ref for row in ours.changes(1).rows] == ["dataset/more"]
    ours.close()
    theirs.close()


def test_a_writer_that_is_killed_before_its_end_leaves_nothing(tmp_path: Path) -> None:
    program = f"""
import os, signal
from trimtab.catalog import writing
from trimtab.catalog.entry import Change
from trimtab.catalog.model_file import load_nodes
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.model_ref import ModelRef
store = SqliteStore({str(tmp_path / "c.db")!r})
store.write(Change(nodes=tuple(load_nodes("kind: dataset\\nname: before", "f"))))
writing.check_edges = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # the rows are in, and not committed
store.write(Change(nodes=tuple(load_nodes("kind: dataset\\nname: after", "f"))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (-9, "")
    store = SqliteStore(tmp_path / "c.db")
    assert [row.ref for row in store.changes().rows] == ["dataset/before"]
    store.close()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongAddress, match="there is no catalogue; `trimtab models register` makes one"):
        SqliteStore(tmp_path / "c.db", create=False)
    with pytest.raises(WrongAddress, match="unable to open database file"):
        SqliteStore(tmp_path / "no" / "c.db")


def test_files_of_another_kind_are_refused_and_left_alone(tmp_path: Path) -> None:
    text, other, newer = (tmp_path / name for name in ("text", "other.db", "newer.db"))
    text.write_text("this is a text, and it is long enough for SQLite to look at it" * 20)
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    SqliteStore(newer).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    for path, said in (
        (text, "expected a file of SQLite with a catalogue: file is not a database"),
        (other, "a database of another kind"),
        (newer, "schema version 9, expected 1"),
    ):
        with pytest.raises(WrongAddress, match=said):
            SqliteStore(path)


def test_a_file_that_is_broken_is_told_by_whatever_is_asked_of_it(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    store = SqliteStore(path)
    put(store, *digits())
    store.close()
    head = path.read_bytes()[:8192]  # what is of the tables, and nothing of what is in them
    path.write_bytes(head + b"\xff" * (path.stat().st_size - len(head)))
    broken = SqliteStore(path)
    for ask in (broken.changes, lambda: broken.entry(ModelRef("model/digits:1")), lambda: put(broken, *digits())):
        with pytest.raises(Unreachable, match=r"catalogue .*catalog\.db: database disk image is malformed"):
            ask()
    broken.close()
