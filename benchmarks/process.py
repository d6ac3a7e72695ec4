"""What a process of ours used so far (Linux)."""

import os
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_MIB: Final = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
_USER, _SYSTEM = 11, 12
"""Fields of /proc/PID/stat behind the command's name."""


def cpu_s(pid: int) -> float:
    """Gives the CPU seconds of a process, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S


def rss_mib(pid: int) -> float:
    """Gives the resident memory of a process in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB
