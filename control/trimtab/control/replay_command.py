"""`trimtab replay`. Exit code 1 where a decision differs from the recorded one, or there was none to compare."""

# Imports stand inside the functions: other commands are not to wait for the engine.
# ruff: noqa: PLC0415

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.control.command import FAILED, USAGE, Config, Kafka, Wait, fail, fail_to_reach, settings_in_force
from trimtab.schemas.errors import InvalidRecord, InvalidRelease, Unreachable

if TYPE_CHECKING:
    from trimtab.control.evidence_log import EvidenceLog
    from trimtab.control.replay import Comparison, Until
    from trimtab.engine.policy.build import Factories
    from trimtab.schemas.release import Release
    from trimtab.streams.settings import Settings


class ReplayFormat(StrEnum):
    """How a replay is told."""

    TEXT = "text"
    JSON = "json"


def replay(  # noqa: PLR0913 - one argument an option
    *,
    kafka: Kafka = "",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="A saved log, in place of Kafka.")
    ] = None,
    release: Annotated[
        str, typer.Option("--release", metavar="NAME", help="Only this release, and the partition that it lives in.")
    ] = "",
    partition: Annotated[
        int,
        typer.Option(
            "--partition", metavar="N", min=-1, show_default=False, help="Only this one; all of them by default."
        ),
    ] = -1,
    until: Annotated[
        str,
        typer.Option("--until", metavar="WHEN", help="An instant (2026-01-31T12:00:00Z) or a revision to end with."),
    ] = "",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write one partition into a file, and no more.")
    ] = None,
    with_: Annotated[
        Path | None,
        typer.Option("--with", metavar="FILE", help="What would have been decided under this release file."),
    ] = None,
    config: Config = None,
    wait: Wait = 10.0,
    output: Annotated[ReplayFormat, typer.Option("--output", "-o", help="How to write it.")] = ReplayFormat.TEXT,
) -> None:
    """Decide once more on the same evidence, and compare with what was decided; or see what would have been.

    Examples: trimtab replay --release checkout;  trimtab replay --release checkout --with other.yaml
    """
    if file and (kafka or save or partition >= 0):
        fail("--file: holds one partition; expected it without --kafka, --partition and --save", USAGE)
    if save and (with_ or until):
        fail("--save: writes all of a partition and no more; expected it without --with and --until", USAGE)
    try:
        ends, others = _until(until), _others(with_, release) if with_ else {}
        with _logs(file, settings_in_force(config, kafka), _only(release, others), partition, wait) as logs:
            if save:
                _save(logs, save)
            elif with_:
                _tell_what_if(logs, others, ends, output)
            else:
                _tell_replay(logs, release, ends, output)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[server]'", USAGE)
    except Unreachable as error:
        fail_to_reach(error)
    except InvalidRecord as error:
        fail(f"{file}: {error}", USAGE)
    except OSError as error:
        fail(f"{error.filename or file or save}: {error.strerror or error}", USAGE)


def _until(text: str) -> "Until":
    from trimtab.control.replay import Until

    if not text:
        return Until()
    if text.isdecimal():
        return Until(revision=int(text))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--until: expected a revision or an instant such as 2026-01-31T12:00:00Z, got {text!r}", USAGE)
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return Until(time_ms=round(aware.timestamp() * 1000))


def _others(path: Path, release: str) -> "dict[str, Release]":
    from trimtab.control.apply import read

    try:
        others = {str(one.name): one for one in read([path])}
    except InvalidRelease as error:
        fail(str(error), USAGE)
    if release and release not in others:
        fail(f"--with: {path} is of {', '.join(others)}, expected release {release!r}", USAGE)
    return {release: others[release]} if release else others


def _only(release: str, others: "dict[str, Release]") -> list[str]:
    return [release] if release else list(others)


@contextmanager
def _logs(
    file: Path | None, settings: "Settings", releases: Sequence[str], partition: int, wait_s: float
) -> "Iterator[list[EvidenceLog]]":
    """Gives the partitions to read: of `releases`, else the one that is asked for, else all."""
    from trimtab.control.evidence_log import SavedLog, TopicLog
    from trimtab.control.kafka_log import KafkaLog
    from trimtab.schemas.topics import EVIDENCE, evidence_partition

    if file is not None:
        yield [SavedLog(file)]
        return
    with KafkaLog(settings.kafka, wait_s) as log:
        count = log.partitions(EVIDENCE)
        if partition >= count:
            fail(f"--partition: {EVIDENCE} has {count}, counted from 0; got {partition}", USAGE)
        homes = sorted({evidence_partition(name, count) for name in releases})
        if partition >= 0 and homes and homes != [partition]:
            fail(f"--partition: {', '.join(releases)} lives in {homes}, got {partition}", USAGE)
        yield [TopicLog(log, one) for one in homes or ([partition] if partition >= 0 else range(count))]


def _save(logs: "Sequence[EvidenceLog]", path: Path) -> None:
    from trimtab.control.evidence_log import save

    if len(logs) != 1:
        fail("--save: a file holds one partition; name it with --partition, or a release with --release", USAGE)
    saved = save(logs[0], path)
    typer.echo(f"{path}: {saved.records} records and {saved.decisions} decisions of partition {logs[0].partition}")


def _tell_replay(logs: "Sequence[EvidenceLog]", release: str, until: "Until", output: ReplayFormat) -> None:
    from trimtab.control.replay import replay as compare
    from trimtab.control.replay_report import lines_of

    factories = _factories()
    found = [compare(log, release=release, until=until, factories=factories) for log in logs]
    _write([line for one in found for line in lines_of(one)], [_plain(one) for one in found], output)
    if any(one.differing for one in found) or not any(one.identical for one in found):
        raise typer.Exit(FAILED)


def _factories() -> "Factories":
    from trimtab.streams.guest_policies import guest_policies

    try:
        return guest_policies()
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        fail(f"a policy that was brought cannot be used: {error}", USAGE)


def _plain(found: "Comparison") -> dict[str, Any]:
    return asdict(found) | {"first": found.first and found.first._asdict()}


def _tell_what_if(
    logs: "Sequence[EvidenceLog]", others: "dict[str, Release]", until: "Until", output: ReplayFormat
) -> None:
    from trimtab.control.what_if import what_if
    from trimtab.control.what_if_report import lines_of, plain_of

    by_name, factories = {}, _factories()
    for log in logs:
        for name, one in what_if(log, others, until, factories).items():
            if one.actual or name not in by_name:
                by_name[name] = one
    found = list(by_name.values())
    _write([line for one in found for line in lines_of(one)], [plain_of(one) for one in found], output)
    if not all(one.actual and one.other for one in found):
        raise typer.Exit(FAILED)


def _write(lines: Sequence[str], plain: object, output: ReplayFormat) -> None:
    typer.echo("\n".join(lines) if output is ReplayFormat.TEXT else json.dumps(plain, indent=2))
