"""`trimtab decisions` and `trimtab history`: what was decided, all of it or what it changed."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.control.command import FAILED, Config, Kafka, Wait, fail, fail_to_reach, say, settings_in_force
from trimtab.control.output import ListFormat, TextFormat, write
from trimtab.control.release_name import Name
from trimtab.control.since import Since, since_ms
from trimtab.schemas.errors import Unreachable

if TYPE_CHECKING:
    from trimtab.control.decision_log import DecisionLog
    from trimtab.control.turns import Turn


def decisions(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come, until Ctrl-C.")] = False,
    since: Since = "5m",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 10.0,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="json: one object a line.")] = TextFormat.TEXT,
) -> None:
    """List the decisions on a release, oldest first: time, revision, phase, weights, rule.

    Examples: trimtab decisions checkout -f;  trimtab decisions checkout --since 2h -o json
    """
    import msgspec

    from trimtab.control.notation import revision_line, time_text

    start_ms, count = since_ms(since), 0
    with _log(name, kafka, config, wait) as log:
        for decision in log.follow(start_ms) if follow else log.since(start_ms):
            count += 1
            if output is TextFormat.JSON:
                typer.echo(msgspec.json.encode(decision))
            else:
                typer.echo(f"{time_text(decision.time_ms)} {revision_line(decision)}")
        _tell_unread(log)
    if not count:
        fail(f"release {name}: no decisions since {since}", FAILED)


def history(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    since: Since = "24h",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 10.0,
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """List the revisions in which weights or the phase changed, or that somebody ordered, oldest first.

    `trimtab undo NAME --to-revision N` goes back to one of them.

    Example: trimtab history checkout --since 7d
    """
    from trimtab.control.turns import turns

    with _log(name, kafka, config, wait) as log:
        found = list(turns(log.since(since_ms(since))))
        _tell_unread(log)
    if not found:
        fail(f"release {name}: no decisions since {since}", FAILED)
    if output in (ListFormat.TABLE, ListFormat.WIDE):
        from trimtab.control.console_out import console
        from trimtab.control.show_log import history_table

        console().print(history_table(found))
    elif output is ListFormat.NAME:
        typer.echo("\n".join(f"{turn.decision.era}.{turn.decision.revision}" for turn in found))
    else:
        write([_plain(turn) for turn in found], output)


def _plain(turn: "Turn") -> dict[str, Any]:
    decision = turn.decision
    return {
        "time_ms": decision.time_ms, "era": decision.era, "revision": decision.revision, "phase": str(decision.phase),
        "weights": decision.weights, "segments": decision.segments, "rule": decision.rule, "actor": turn.actor,
        "reason": turn.reason,
    }  # fmt: skip


@contextmanager
def _log(name: str, kafka: Kafka, config: Config, wait_s: float) -> "Iterator[DecisionLog]":
    from trimtab.control.decision_log import DecisionLog
    from trimtab.control.kafka_log import KafkaLog

    try:
        with KafkaLog(settings_in_force(config, kafka).kafka, wait_s) as log:
            yield DecisionLog(log, name)
    except Unreachable as error:
        fail_to_reach(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _tell_unread(log: "DecisionLog") -> None:
    if log.unread:
        say(f"{log.unread} decisions could not be read; upgrade trimtab here")
