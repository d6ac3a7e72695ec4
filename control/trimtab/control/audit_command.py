"""`trimtab audit`: who changed what, and why."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import Config, Kafka, Wait, fail_to_reach, say, settings_in_force
from trimtab.control.output import ListFormat, write
from trimtab.control.release_name import AnyName
from trimtab.control.since import Since, since_ms
from trimtab.schemas.errors import InvalidRecord, Unreachable

if TYPE_CHECKING:
    from trimtab.control.kafka_log import Entry
    from trimtab.schemas.audit import AuditEntry


def audit(  # noqa: PLR0913 - one argument an option
    name: AnyName = "",
    *,
    since: Since = "7d",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 10.0,
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """List what people and programs asked for, oldest first: who, what, why, and what came of it.

    Examples: trimtab audit;  trimtab audit checkout --since 30d -o json
    """
    from trimtab.control.kafka_log import KafkaLog
    from trimtab.schemas.topics import AUDIT

    try:
        with KafkaLog(settings_in_force(config, kafka).kafka, wait) as log:
            log.partitions(AUDIT)
            start, (_, end) = log.place_at(AUDIT, 0, since_ms(since)), log.bounds(AUDIT, 0)
            found = [one for one in _decoded(log.read(AUDIT, 0, start, end)) if not name or one.release == name]
    except Unreachable as error:
        fail_to_reach(error)
    _tell(found, output)


def _decoded(entries: "Iterable[Entry]") -> "Iterator[AuditEntry]":
    from trimtab.schemas import audit as entries_of

    unread = 0
    for entry in entries:
        try:
            yield entries_of.decode(entry.value)
        except InvalidRecord:
            unread += 1
    if unread:
        say(f"{unread} entries could not be read; upgrade trimtab here")


def _tell(found: "list[AuditEntry]", output: ListFormat) -> None:
    if output in (ListFormat.JSON, ListFormat.YAML):
        import msgspec

        write(msgspec.to_builtins(found), output)
    elif output is ListFormat.NAME:
        typer.echo("\n".join(dict.fromkeys(one.release for one in found)))
    elif found:
        from trimtab.control.console_out import console
        from trimtab.control.show_log import audit_table

        console().print(audit_table(found, is_wide=output is ListFormat.WIDE))
    else:
        typer.echo("nothing was asked for in this time")
