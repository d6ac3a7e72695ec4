"""`trimtab apply`."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    Wait,
    fail,
    fail_to_reach,
    log_to_stderr,
    settings_in_force,
)
from trimtab.schemas.errors import InvalidRelease, Unreachable

if TYPE_CHECKING:
    from trimtab.schemas.ids import ReleaseId
    from trimtab.schemas.release import Release


def apply(
    *,
    files: Annotated[list[Path], typer.Option("--file", "-f", metavar="FILE", help="Release file; may be repeated.")],
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 10.0,
) -> None:
    """Apply release files. With a mistake in any of them nothing is applied.

    Example: trimtab apply -f checkout.yaml
    """
    from trimtab.control.apply import missing_policies, publish, read
    from trimtab.control.release_view import Releases
    from trimtab.streams.reach import ping_redis, wait_for

    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    try:
        releases = read(files)
        wait_for("redis", lambda timeout_s: ping_redis(settings.redis, timeout_s), wait)
        known = Releases(settings.redis)
        documents = {release.name: known.document(release.name) for release in releases}
        releases = _with_models(releases, documents, config)
        changed = [release for release in releases if documents[release.name] != release.document()]
        if changed:
            publish(changed, kafka=settings.kafka, wait_s=wait, before=known.decisions([one.name for one in changed]))
    except InvalidRelease as error:
        fail(str(error), USAGE)
    except Unreachable as error:
        fail_to_reach(error)
    for warning in missing_policies(releases):
        typer.echo(f"warning: {warning}", err=True)
    for release in releases:
        is_new = documents[release.name] is None
        typer.echo(f"{release.name} {'created' if is_new else 'configured' if release in changed else 'unchanged'}")


def _with_models(
    releases: "list[Release]", documents: "Mapping[ReleaseId, bytes | None]", config: Path | None
) -> "list[Release]":
    """Gives releases in which every variant that is a model has it; ends the command where one must not be used."""
    if not any(variant.model for release in releases for variant in release.spec.variants):
        return releases
    from trimtab.catalog.view import View
    from trimtab.control.model_arms import resolve
    from trimtab.control.models_options import catalogue
    from trimtab.schemas.release import parse_document

    with catalogue("", config) as store:
        now = View(store).now()
        before = {name: parse_document(document) for name, document in documents.items() if document is not None}
        return [resolve(release, now, before.get(release.name)) for release in releases]
