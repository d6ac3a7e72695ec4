"""How long a person waits for an answer: `trimtab get`, `explain` and `status` as processes of their own.

Each is started anew, as a shell does, on embedded servers with a release that a worker has decided on, and is timed
from its start to its end. `cpu_ms` is what it took of the processor, which other work on the machine changes little.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.rig import RELEASE, Rig
from trimtab.streams.backend import Backend

_COMMANDS: Final = {
    "get": ("get", "release", RELEASE),
    "explain": ("explain", RELEASE),
    "status": ("status", RELEASE),
    "version": ("version",),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.EMBEDDED)
    parser.add_argument("--runs", type=int, default=15, help="of each command; the median counts")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives the median of each command's time, and of the CPU time that it took."""
    with Rig(options.backend) as rig:
        rig.start_worker()
        rig.apply()
        rig.await_weights()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMMANDS}
        for _ in range(options.runs):  # by turns, so that a busy moment is nobody's alone
            for name, words in _COMMANDS.items():
                times[name].append(_timed(words, rig))
    wall = {f"{name}_ms": round(statistics.median(wall for wall, _ in taken), 1) for name, taken in times.items()}
    cpu = {name: round(statistics.median(cpu for _, cpu in taken), 1) for name, taken in times.items()}
    return {"backend": options.backend, "runs": options.runs, **wall, "cpu_ms": cpu}


def _timed(words: tuple[str, ...], rig: Rig) -> tuple[float, float]:
    """Gives the milliseconds that a command took, by the clock and of the processor."""
    servers = [] if words == ("version",) else ["--redis", rig.redis]
    servers += ["--kafka", rig.kafka] if words[0] == "explain" else []
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("trimtab"), *words, *servers], check=True, capture_output=True)
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took_s * 1000, cpu_s * 1000
