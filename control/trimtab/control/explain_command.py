"""`trimtab explain`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from trimtab.control.command import (
    FAILED,
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    Wait,
    fail,
    fail_to_reach,
    say,
    settings_in_force,
)
from trimtab.control.release_name import Name
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import InvalidRecord, Unreachable
from trimtab.schemas.ids import NO_REVISION, Revision

if TYPE_CHECKING:
    from trimtab.control.limited import Limited
    from trimtab.control.release_view import ReleaseView
    from trimtab.streams.settings import Settings

_REVISION: Final = re.compile(r"(?:(\d+)\.)?(\d+)")


class ExplainFormat(StrEnum):
    """How an explanation is written."""

    TEXT = "text"
    JSON = "json"


def explain(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    revision: Annotated[
        str, typer.Option("--revision", metavar="N", help="Which decision (N, or ERA.N); the newest by default.")
    ] = "",
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 5.0,
    output: Annotated[ExplainFormat, typer.Option("--output", "-o", help="How to write it.")] = ExplainFormat.TEXT,
) -> None:
    """Explain a decision: what it saw, what it concluded, which rule moved which weights; all to be checked by hand.

    Example: trimtab explain checkout --revision 1234
    """
    settings = settings_in_force(config, kafka, redis)
    wanted = _revision(revision) if revision else NO_REVISION
    try:
        if wanted == NO_REVISION:
            decision, replaced, bounds = _newest(name, settings, wait)
        else:
            decision, replaced, bounds = *_recorded(name, wanted, settings, wait), None
    except InvalidRecord as error:
        fail(f"release {name}: {error}", FAILED)
    except Unreachable as error:
        fail_to_reach(error)
    _write(decision, replaced, bounds, output)


def _revision(text: str) -> Revision:
    """Gives (era, revision), with era 0 where it is not told."""
    match = _REVISION.fullmatch(text)
    if match is None or int(match[2]) == 0:
        fail(f"--revision: expected a number above 0, or ERA.N, got {text!r}", USAGE)
    return int(match[1] or 0), int(match[2])


def _newest(name: str, settings: "Settings", wait_s: float) -> "tuple[Decision, Decision | None, Limited]":
    """Gives the decision in Redis; what it replaced is in Kafka, without which the rest is told all the same."""
    from trimtab.control.limited import limited
    from trimtab.control.release_view import Releases

    view: ReleaseView | None = Releases(settings.redis).get(name)
    if view is None:
        fail(f"no release {name!r}", FAILED)
    replaced = None
    try:
        replaced = _replaced_in_kafka(view.decision, settings, wait_s)
    except (Unreachable, InvalidRecord) as error:
        say(f"the decision before it is not shown: {error}")
    return view.decision, replaced, limited(view.document)


def _replaced_in_kafka(decision: Decision, settings: "Settings", wait_s: float) -> Decision | None:
    from trimtab.control.history import History
    from trimtab.control.kafka_log import KafkaLog

    if decision.replaces == NO_REVISION:
        return None
    with KafkaLog(settings.kafka, wait_s) as log:
        return History(log, decision.release).get(decision.replaces)


def _recorded(name: str, wanted: Revision, settings: "Settings", wait_s: float) -> tuple[Decision, Decision | None]:
    from trimtab.control.history import History
    from trimtab.control.kafka_log import KafkaLog

    with KafkaLog(settings.kafka, wait_s) as log:
        history = History(log, name)
        decision = history.get(wanted)
        if decision is None:
            fail(_no_such(name, wanted, history.oldest()), FAILED)
        is_first = decision.replaces == NO_REVISION
        return decision, None if is_first else history.get(decision.replaces)


def _no_such(name: str, wanted: Revision, oldest: Revision) -> str:
    from trimtab.control.notation import revision_text

    told = f"release {name}: no decision of revision {wanted[1]}"
    if oldest > (wanted[0] or oldest[0], wanted[1]):
        return f"{told} any more: those from {revision_text(oldest)} on are kept"
    return told


def _write(decision: Decision, replaced: Decision | None, bounds: "Limited | None", output: ExplainFormat) -> None:
    from trimtab.control.explain import explain as lines_of

    lines = lines_of(decision, replaced, bounds)
    if output is ExplainFormat.TEXT:
        typer.echo("\n".join(lines))
        return
    told = {"decision": decision, "replaced": replaced, "explanation": lines}
    typer.echo(json.dumps(msgspec.to_builtins(told), indent=2))
