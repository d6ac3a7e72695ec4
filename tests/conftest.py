"""Resources that tests of several packages share, and the guard that none of them leaves a process behind."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from integration import worker_rig
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.backend import Backend, WrongBackend, chosen
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("trimtab")
    group.addoption("--backend", choices=list(Backend), default=Backend.EMBEDDED, help="servers of integration tests")
    group.addoption("--kafka", default="", metavar="HOST:PORT", help="of the backend external")
    group.addoption("--redis", default="", metavar="URL", help="of the backend external")


def pytest_configure(config: pytest.Config) -> None:
    kafka, redis = config.getoption("kafka"), config.getoption("redis")
    try:
        backend = chosen(Backend(config.getoption("backend")), kafka=kafka, redis=redis)
    except WrongBackend as error:
        raise pytest.UsageError(str(error)) from error
    if backend is Backend.EXTERNAL and config.getoption("numprocesses", None):
        raise pytest.UsageError("backend external: its servers have room for one test at a time, expected -n 0")
    worker_rig.choice = worker_rig.Choice(backend, kafka, redis)


def pytest_report_header() -> str:
    return f"backend of integration tests: {worker_rig.choice.backend}"


def pytest_runtest_teardown() -> None:
    forget_logging()


def forget_logging() -> None:
    """Undoes what a command that a test ran in this process has set up.

    It logs to the standard error of that run, which is closed by then: whoever logs next would fail.
    """
    structlog.reset_defaults()
    for handler in logging.root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            logging.root.removeHandler(handler)
    logging.getLogger("trimtab.client").setLevel(logging.NOTSET)


# Neither how long an example takes nor how long it is in the making says anything on a machine with other work.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

Eventually = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = _children()
    yield
    assert _children() - before == set()


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka({TELEMETRY: 2}) as server:
        yield server


@pytest.fixture
def redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def eventually() -> Eventually:
    """Waits for a condition that nothing announces; fails, naming it, when it does not come true in time."""

    def wait(condition: Callable[[], object], *, what: str, timeout_s: float = 60.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end_s, f"{what}: not within {timeout_s} s"
            time.sleep(0.005)  # between two looks, not instead of one

    return wait


def _children() -> set[str]:
    """The command lines of the processes that this one started, as far as /proc tells (Linux)."""
    files = Path("/proc/self/task").glob("*/children")
    pids = [pid for file in files for pid in _of_thread(file).split()]
    return {_command(Path("/proc") / pid / "cmdline") for pid in pids} - {""}


def _of_thread(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the thread has ended since
        return ""


def _command(path: Path) -> str:
    try:
        text = path.read_text().replace("\0", " ")
    except OSError:  # it has ended since
        return ""
    return "" if "multiprocessing" in text else text
