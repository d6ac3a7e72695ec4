"""`trimtab undo`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

import getpass
import time
from typing import TYPE_CHECKING, Annotated, Final

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
    settings_in_force,
)
from trimtab.control.release_name import Name
from trimtab.schemas.errors import InvalidRecord, Unreachable

if TYPE_CHECKING:
    from trimtab.control.undo import Undoing
    from trimtab.streams.settings import Settings

_BACK_MS: Final = 7 * 86_400_000
"""How far back the newest change is looked for."""


def undo(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why. Required.")] = "",
    to_revision: Annotated[
        int, typer.Option("--to-revision", metavar="N", min=0, help="Else to before the newest command or file.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Go back to the release file and the weights of an earlier revision; the release is paused with them.

    `trimtab history NAME` lists revisions; `trimtab resume NAME` lets it go on from there.

    Example: trimtab undo checkout --to-revision 1234 --reason "v3 was better alone"
    """
    if not reason.strip():
        fail("--reason: expected why, for those who read the decision later", USAGE)
    settings = settings_in_force(config, kafka, redis)
    try:
        undoing = _planned(name, to_revision, settings, wait)
        for line in _told(undoing):
            typer.echo(line)
        if not dry_run:
            _do(undoing, reason.strip(), settings, wait)
    except InvalidRecord as error:
        fail(f"release {name}: {error}", FAILED)
    except Unreachable as error:
        fail_to_reach(error)


def _planned(name: str, wanted: int, settings: "Settings", wait_s: float) -> "Undoing":
    from trimtab.control.decision_log import DecisionLog
    from trimtab.control.history import History
    from trimtab.control.kafka_log import KafkaLog
    from trimtab.control.release_view import Releases
    from trimtab.control.spec_log import spec_at
    from trimtab.control.undo import plan, target

    view = Releases(settings.redis).get(name)
    if view is None:
        fail(f"no release {name!r}", FAILED)
    with KafkaLog(settings.kafka, wait_s) as log:
        to = (
            History(log, name).get((0, wanted))
            if wanted
            else target(DecisionLog(log, name).since(round(time.time() * 1000) - _BACK_MS))
        )
        if to is None:
            fail(f"release {name}: {f'no decision of revision {wanted}' if wanted else 'nothing to undo'}", FAILED)
        document = spec_at(log, name, to.revision)
    if document is None:
        fail(f"release {name}: the file of revision {to.revision} is not kept any more; apply it yourself", FAILED)
    return plan(to, document, (view.decision, view.document))


def _told(undoing: "Undoing") -> list[str]:
    weights = " ".join(f"{variant}={weight}" for variant, weight in undoing.weights.items())
    return [
        f"{undoing.to.release}: back to revision {undoing.to.revision}",
        *(["  applies the release file of then"] if undoing.document is not None else []),
        *(["  begins anew, for it is over"] if undoing.retries else []),
        f"  sets {weights}, paused",
    ]


def _do(undoing: "Undoing", reason: str, settings: "Settings", wait_s: float) -> None:
    from trimtab.control.apply import publish
    from trimtab.control.notation import revision_line
    from trimtab.control.steer import OrderRefused, steer
    from trimtab.schemas.release import parse_document

    if undoing.document is not None:
        publish([parse_document(undoing.document)], kafka=settings.kafka, wait_s=wait_s)
    try:
        for command in undoing.commands(getpass.getuser(), reason):
            decision = steer(command, kafka=settings.kafka, wait_s=wait_s)
    except OrderRefused as error:
        fail(str(error), FAILED)
    typer.echo(revision_line(decision))
