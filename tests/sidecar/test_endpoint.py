"""A dead predecessor's socket is cleared away, a live one's is not."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from trimtab.sidecar.endpoint import MAX_PATH_BYTES, SocketTaken, claim


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with TemporaryDirectory(prefix="trimtab-") as name:
        yield Path(name)


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    listener.listen()
    return listener


def test_a_free_path_stays_free(folder: Path) -> None:
    claim(folder / "s")
    assert not (folder / "s").exists()


def test_the_socket_of_a_process_that_is_gone_is_removed(folder: Path) -> None:
    listen(folder / "s").close()
    assert (folder / "s").exists()
    claim(folder / "s")
    assert not (folder / "s").exists()


def test_a_socket_on_which_someone_listens_is_left_alone(folder: Path) -> None:
    with listen(folder / "s"), pytest.raises(SocketTaken, match="another process listens on it"):
        claim(folder / "s")
    assert (folder / "s").exists()


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    (folder / "s").write_text("precious")
    with pytest.raises(SocketTaken, match="a file that is not a socket"):
        claim(folder / "s")
    assert (folder / "s").read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SocketTaken, match="nowhere is not a folder"):
        claim(folder / "nowhere" / "s")


def test_a_path_that_the_kernel_cannot_hold_is_refused(folder: Path) -> None:
    room = MAX_PATH_BYTES - len(os.fsencode(folder)) - 1
    claim(folder / ("s" * room))
    with pytest.raises(SocketTaken, match="108 bytes long, expected at most 107"):
        claim(folder / ("s" * (room + 1)))


def test_the_longest_path_allowed_can_be_bound(folder: Path) -> None:
    listen(folder / ("s" * (MAX_PATH_BYTES - len(os.fsencode(folder)) - 1))).close()
