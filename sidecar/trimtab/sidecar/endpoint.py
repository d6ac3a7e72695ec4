"""The unix socket that a proxy connects to: free of a dead predecessor, never taken from a live one."""

import os
import socket
import stat
from pathlib import Path
from typing import Final

from trimtab.schemas.errors import TrimtabError

MAX_PATH_BYTES: Final = 107
"""What the kernel's `sun_path` holds beside its final zero."""


class SocketTaken(TrimtabError):
    """The path cannot be listened on; the message says what stands in the way."""


def claim(path: Path) -> None:
    """Makes way for a socket at `path`: the file of a predecessor that was killed is removed.

    Raises `SocketTaken` where the path is too long, its folder cannot be written to, it is no socket, or someone
    answers on it.
    """
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise SocketTaken(f"socket {path}: {length} bytes long, expected at most {MAX_PATH_BYTES}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise SocketTaken(f"socket {path}: {path.parent} is not a folder that can be written to")
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise SocketTaken(f"socket {path}: there is a file that is not a socket")
    if _answers(path):
        raise SocketTaken(f"socket {path}: another process listens on it")
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except TimeoutError:
            return True
        return True
