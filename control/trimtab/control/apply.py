"""Applying release files: every mistake told, nothing applied unless all of it is right."""

import getpass
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException, Producer

from trimtab.control.audit_log import CLI, Author, now_ms
from trimtab.schemas import evidence, release_file
from trimtab.schemas.audit import AuditEntry, Standing
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import InvalidRelease, Problem, Unreachable
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.nearest import near
from trimtab.schemas.policy import POLICIES, own_policies
from trimtab.schemas.release import Release
from trimtab.schemas.strategy import Bandit
from trimtab.schemas.topics import EVIDENCE, evidence_partition
from trimtab.streams.kafka_reach import Admin
from trimtab.streams.reach import wait_for

_DELIVERY_S: Final = 10.0


def read(paths: Sequence[Path]) -> list[Release]:
    """Gives the releases of all files. Raises `InvalidRelease` with the mistakes of all of them."""
    releases: list[Release] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            releases += release_file.load(text_of(path), str(path))
        except InvalidRelease as error:
            problems += error.problems
    if problems:
        raise InvalidRelease(problems)
    return releases


def missing_policies(releases: Sequence[Release]) -> list[str]:
    """Gives a warning for each policy of a user's own that is not installed here: a worker may still have it."""
    installed = sorted({entry.name for entry in entry_points(group=POLICIES)})
    return [
        f"release {release.name}: no entry point {name!r} of {POLICIES} is installed here{near(name, installed)}; "
        "a worker that has none either rejects the release"
        for release in releases
        for strategy in release.spec.strategies
        if isinstance(strategy, Bandit)
        for name in own_policies(strategy.policy)
        if name not in installed
    ]


def text_of(path: Path) -> str:
    """Gives what a file holds. Raises `InvalidRelease` where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRelease([Problem(str(path), 1, "(file)", error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise InvalidRelease([Problem(str(path), 1, "(file)", f"not UTF-8: {error.reason}")]) from error


def apply_file(path: Path, *, kafka: str | KafkaConnection, wait_s: float) -> list[str]:
    """Applies the releases of one file, and gives their names. Raises `InvalidRelease` and `Unreachable`."""
    releases = read([path])
    publish(releases, kafka=kafka, wait_s=wait_s)
    return [release.name for release in releases]


def publish(  # noqa: PLR0913 - who, what and where
    releases: Sequence[Release], *, kafka: str | KafkaConnection, wait_s: float, actor: str = "", by: Author = CLI,
    before: Mapping[str, Decision] | None = None,
) -> None:  # fmt: skip
    """Writes specs into the evidence log, where a worker takes them up, and records that in the audit log.

    `actor`: who applies them; the user of this process where nobody is named. `before`: the newest decisions of those
    that exist. Raises `Unreachable` after `wait_s`.
    """
    connection, asked_ms = KafkaConnection.of(kafka), now_ms()
    who, known = actor or getpass.getuser(), before or {}
    wait_for("kafka", lambda timeout_s: _publish(releases, connection, timeout_s, who), wait_s)
    for release in releases:
        stood = known.get(release.name)
        by.record(
            connection,
            AuditEntry(
                time_ms=asked_ms, actor=who, role=by.role, source=by.source, release=release.name, action="apply",
                before=Standing.of(stood) if stood else None, outcome="done", address=by.address,
            ),
        )  # fmt: skip


def _publish(releases: Sequence[Release], kafka: KafkaConnection, timeout_s: float, actor: str) -> None:
    partitions = _evidence_partitions(kafka, timeout_s)
    producer = Producer({**librdkafka_config(kafka), "enable.idempotence": True, "log_level": 0})
    refused: list[str] = []
    for release in releases:
        record = evidence.Spec(release=release.name, document=release.document(), actor=actor)
        producer.produce(
            EVIDENCE,
            evidence.encode(record),
            key=release.name.encode(),
            partition=evidence_partition(release.name, partitions),
            on_delivery=lambda error, _message: refused.append(str(error)) if error else None,
        )
    if producer.flush(_DELIVERY_S) or refused:
        raise Unreachable(f"kafka at {kafka.bootstrap}: {refused[0] if refused else 'no answer to what was sent'}")


def _evidence_partitions(kafka: KafkaConnection, timeout_s: float) -> int:
    admin = Admin(kafka)
    try:
        found = admin.client.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise admin.failure(error) from error
    if EVIDENCE not in found:
        raise Unreachable(f"kafka at {kafka.bootstrap}: no topic {EVIDENCE}; a worker creates it when it starts")
    return len(found[EVIDENCE].partitions)
