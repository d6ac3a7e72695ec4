"""`docs/operations.md` says what the code does, as far as names go."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from trimtab.control.notify.feed import UNDELIVERED
from trimtab.schemas.errors import InvalidEvent, NewerVersion
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.topics import AUDIT, DEAD_LETTERS, DECISIONS, EVIDENCE, TELEMETRY, WEIGHTS
from trimtab.schemas.worker import WorkerReport
from trimtab.streams import worker
from trimtab.streams.setting_table import ENTRIES, variable
from trimtab.streams.settings import RetentionSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
SOURCES = [
    ast.parse(path.read_text())
    for folder in ("schemas", "engine", "streams", "client", "sidecar", "control")
    for path in (ROOT / folder).rglob("*.py")
]
LOGGERS = {"_log", "_LOG"}
TELLERS = {"tell", "_end_at_once"}
"""What passes the name of an event on."""


def is_logging(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id in LOGGERS
    return isinstance(function, ast.Name) and function.id in TELLERS


def texts(node: ast.AST) -> Iterator[str]:
    """The texts in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def first_arguments(*, logging: bool, of: str = "") -> set[str]:
    """The texts in the first argument of every call that logs, or of every call of `of`."""
    return {
        text
        for source in SOURCES
        for call in ast.walk(source)
        if isinstance(call, ast.Call) and call.args
        if (is_logging(call.func) if logging else isinstance(call.func, ast.Name) and call.func.id == of)
        for text in texts(call.args[0])
    }


def table(after: str) -> list[list[str]]:
    """The cells of the first table behind a piece of text, without its heading."""
    lines = TEXT[TEXT.index(after) :].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(after: str) -> set[str]:
    """What stands as code in the first column of a table."""
    return {name for row in table(after) for name in re.findall(r"`([^`]+)`", row[0])}


def test_every_log_event_is_described_and_every_one_described_exists() -> None:
    in_code = {text.split()[0] for text in first_arguments(logging=True)}
    assert len(in_code) > 30
    assert names("### Log events") == in_code


def test_every_log_event_named_elsewhere_in_the_text_exists() -> None:
    known = names("### Log events")
    used = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", TEXT[TEXT.index("## Faults") :]))
    settings = {path[-1] for path in ENTRIES}
    assert used & known
    assert used - known - settings == {"last_offset"}


def test_every_code_of_a_dead_letter_is_described_and_every_one_described_exists() -> None:
    batch = (ROOT / "engine/trimtab/engine/batch.py").read_text()
    checks = set(re.findall(r'"([a-z]+-[a-z]+|future)"', batch)) - {"unknown-name"}  # which is told as another one
    in_code = (
        first_arguments(logging=False, of="Refusal") | checks | {InvalidEvent.code, NewerVersion.code, UNDELIVERED}
    )
    assert names("## Dead letters") == in_code


@pytest.mark.parametrize(
    ("after", "report"),
    [("**Counters of a worker**", WorkerReport), ("**Counters of a sidecar**", SidecarReport)],
    ids=["worker", "sidecar"],
)
def test_every_counter_of_a_report_is_described(after: str, report: type[msgspec.Struct]) -> None:
    assert names(after) == set(report.__struct_fields__)


def test_every_exit_code_of_a_worker_is_described() -> None:
    codes = {getattr(worker, name) for name in dir(worker) if name.startswith("EXIT_")}
    assert {int(row[0]) for row in table("have a unit and a StatefulSet")} == codes


def test_every_topic_is_described() -> None:
    topics = {TELEMETRY, EVIDENCE, DECISIONS, WEIGHTS, DEAD_LETTERS, AUDIT}
    assert names("## Where state lives") == topics | {"GROUP-snapshots-changelog"}


def test_every_setting_that_is_named_exists() -> None:
    variables = {name.partition("=")[0] for name in re.findall(r"TRIMTAB_\w+", TEXT)}
    dotted = set(re.findall(r"`((?:kafka|redis|fold|decide)\.[\w.]+)`", TEXT))
    assert variables
    assert dotted
    assert variables <= {variable(path) for path in ENTRIES}
    assert dotted <= {".".join(path) for path in ENTRIES}


def test_the_retention_that_is_told_is_the_default() -> None:
    told = {row[0].strip("`"): row[2] for row in table("## Where state lives")}
    kept = RetentionSettings()
    hours = {
        TELEMETRY: kept.telemetry_h, EVIDENCE: kept.evidence_h, DECISIONS: kept.decisions_h,
        DEAD_LETTERS: kept.dead_letters_h, AUDIT: kept.audit_h,
    }  # fmt: skip
    assert {name: told[name] for name in hours} == {
        name: f"{of_topic:g} h" if of_topic <= 24 else f"{of_topic / 24:g} days" for name, of_topic in hours.items()
    }


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:deploy|benchmarks)/[\w./-]*\w", TEXT))))
def test_every_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).is_file()
