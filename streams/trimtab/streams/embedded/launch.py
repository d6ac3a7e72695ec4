"""Turns into another program that Linux ends together with the process that started it.

Run by path, with the standard library alone: `python -I -S launch.py PARENT_PID PROGRAM ARGUMENT ...`. Asking for the
signal here, and not between fork and exec in the parent, is safe while the parent runs threads.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with(parent: int) -> None:
    """Has the kernel kill this process, and whatever it execs, when `parent` ends; does nothing outside Linux."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit(f"parent {parent} is gone")


if __name__ == "__main__":
    end_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the point of this program
