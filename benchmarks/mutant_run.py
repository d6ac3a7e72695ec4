"""`python -m benchmarks.mutant_run JSON`: the fate of every mutant of one module, a line of JSON each.

Third-party modules are imported once; each mutant is then a fork of this process, in which the module is the mutant and
compiled arithmetic is Python. What a mutant may take is bounded in processor time, so that a busy machine kills none.
"""

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from hypothesis import Phase, settings

from benchmarks.mutation import Mutant, mutants_of

ROOT: Final = Path(__file__).resolve().parent.parent
ENGINE: Final = ROOT / "engine" / "trimtab" / "engine"
_WARM: Final = (
    "numba",
    "scipy.stats",
    "scipy.special",
    "scipy.integrate",
    "scipy.optimize",
    "river.bandit",
    "trimtab.schemas.release",
)
_OPTIONS: Final = (
    *("-x", "-q", "--noconftest", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"),
    *("-p", "engine.uncompiled"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # hypothesis is imported already, to be fast
)
_SLOWER: Final = 10
"""A mutant may take as many times the time of the tests without a fault, and `_LEAST_S` at least."""
_LEAST_S: Final = 20
_MEMORY: Final = 6 << 30


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be run."""

    module: str
    """its path below the engine's folder"""
    tests: Sequence[str]
    only: str = ""
    """mutants whose name has this in it"""
    workers: int = 1


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the mutant in place of its module."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        self._name, self._path, self._mutant = name, path, mutant

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self, origin=self._path) if fullname == self._name else None

    def pytest_configure(self) -> None:
        """Comes first, before pytest's own finder, for which `ab_test.py` is a file of tests."""
        sys.meta_path.insert(0, self)

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._path
        exec(self._mutant.code, module.__dict__)  # noqa: S102 - that is what a loader does


def main() -> None:
    """Runs what the command line says."""
    task = Task(**json.loads(sys.argv[1]))
    warnings.simplefilter("ignore")
    without_shrinking = (Phase.explicit, Phase.generate, Phase.target)  # nobody sees the example that kills a mutant
    settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, phases=without_shrinking)
    settings.load_profile("repeatable")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "tests"))
    for name in _WARM:
        importlib.import_module(name)
    path = ENGINE / task.module
    none = Mutant("", compile(path.read_text(), str(path), "exec"))
    began_s = time.monotonic()
    healthy = _Fork(task, none, 600)
    healthy.wait()
    if healthy.fate != "survived":
        sys.exit(f"{task.module}: its tests {' '.join(task.tests)} fail without a fault ({healthy.fate})")
    limit_s = max(_LEAST_S, round(_SLOWER * (time.monotonic() - began_s)))
    mutants = [mutant for mutant in mutants_of(path.read_text(), str(path)) if task.only in mutant.name]
    _tell({"count": len(mutants), "tests_s": round(time.monotonic() - began_s, 1)})
    for fork in _forks(task, mutants, limit_s):
        _tell({"mutant": fork.mutant.name, "fate": fork.fate})


def _tell(fact: object) -> None:
    print(json.dumps(fact), flush=True)


def _forks(task: Task, mutants: Sequence[Mutant], limit_s: int) -> Iterator["_Fork"]:
    """Gives each mutant when its tests are over, so many of them at a time."""
    running: dict[int, _Fork] = {}
    for mutant in mutants:
        if len(running) >= task.workers:
            yield _next(running)
        fork = _Fork(task, mutant, limit_s)
        running[fork.pid] = fork
    while running:
        yield _next(running)


def _next(running: dict[int, "_Fork"]) -> "_Fork":
    pid, status = os.wait()
    fork = running.pop(pid)
    fork.end(status)
    return fork


class _Fork:
    """A process in which the tests run against one mutant."""

    def __init__(self, task: Task, mutant: Mutant, limit_s: int) -> None:
        self.mutant = mutant
        self.fate = ""
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                code = _run(task, mutant, limit_s)
            finally:
                os._exit(code)

    def wait(self) -> None:
        """Waits for its end."""
        self.end(os.waitpid(self.pid, 0)[1])

    def end(self, status: int) -> None:
        """Takes note of how it ended."""
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGXCPU:
            self.fate = "too slow"
        else:
            self.fate = "survived" if code == pytest.ExitCode.OK else "killed"


def _run(task: Task, mutant: Mutant, limit_s: int) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    name = "trimtab.engine." + task.module.removesuffix(".py").replace("/", ".")
    finder = _Mutated(name, str(ENGINE / task.module), mutant)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
        return int(pytest.main([*_OPTIONS, *task.tests], plugins=[finder]))


if __name__ == "__main__":
    main()
