"""`trimtab get`: releases and sidecars as they stand."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import Config, RedisUrl, fail, fail_to_reach, settings_in_force
from trimtab.control.output import ListFormat, write
from trimtab.control.release_name import Name
from trimtab.control.selector import parse_selector
from trimtab.schemas.errors import InvalidRecord, Unreachable

if TYPE_CHECKING:
    from trimtab.control.release_view import Releases, ReleaseView
    from trimtab.schemas.redis_connection import RedisConnection


def get_releases(
    *,
    redis: RedisUrl = "",
    config: Config = None,
    selector: Annotated[
        str,
        typer.Option("--selector", "-l", metavar="LABELS", help="Only those with: team=payments,tier!=free,canary."),
    ] = "",
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """List all releases.

    Examples: trimtab get releases -o wide;  trimtab get releases -l team=payments -o name
    """
    wanted = parse_selector(selector)
    views, problems = _all_releases(settings_in_force(config, redis=redis).redis)
    views = [(name, view) for name, view in views if wanted(view.labels)]
    if output is ListFormat.NAME:
        for name, _ in views:
            typer.echo(name)
    elif output in (ListFormat.TABLE, ListFormat.WIDE):
        from trimtab.control.console_out import console
        from trimtab.control.show import releases_table

        nothing = "no releases that can be shown" if problems else "no releases"
        console().print(releases_table(views, is_wide=output is ListFormat.WIDE) if views else nothing)
    else:
        write([view.plain() for _, view in views], output)
    if problems:
        fail("\n".join(problems), 1)


def get_sidecars(
    *,
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """List the sidecars of all releases: what each has in force, and what its proxy refused, in the proxy's words.

    Example: trimtab get sidecars -o json
    """
    connection = settings_in_force(config, redis=redis).redis
    views, problems = _all_releases(connection)
    problems += [f"sidecar {line}" for _, view in views for line in view.unread]
    try:
        problems += _releases(connection).strays()
    except Unreachable as error:
        fail_to_reach(error)
    if output is ListFormat.NAME:
        for sidecar in dict.fromkeys(report.sidecar for _, view in views for report in view.sidecars):
            typer.echo(sidecar)
    elif output in (ListFormat.TABLE, ListFormat.WIDE):
        from trimtab.control.console_out import console
        from trimtab.control.show import sidecars_table

        console().print(sidecars_table(view for _, view in views) or "no sidecars")
    else:
        write([report for _, view in views for report in view.plain()["status"]["sidecars"]], output)
    if problems:
        fail("\n".join(problems), 1)


def get_release(
    name: Name,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it as it changes.")] = False,
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """Show one release: arms, guardrails, reasons, sidecars.

    Example: trimtab get release checkout -w
    """
    connection = settings_in_force(config, redis=redis).redis
    try:
        releases = _releases(connection)
        if watch:
            _watch(releases, name, output)
            return
        view = releases.get(name)
    except InvalidRecord as error:
        fail(_unread(name, error), 1)
    except Unreachable as error:
        fail_to_reach(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if view is None:
        fail(f"no release {name!r}", 1)
    _show(view, output)


def _releases(redis: "RedisConnection") -> "Releases":
    from trimtab.control.release_view import Releases

    return Releases(redis)


def _all_releases(redis: "RedisConnection") -> tuple[list[tuple[str, "ReleaseView"]], list[str]]:
    """Gives the releases that can be shown, and a line for each that cannot. Ends the command where Redis is away."""
    views: list[tuple[str, ReleaseView]] = []
    problems: list[str] = []
    try:
        releases = _releases(redis)
        for name in releases.names():
            try:
                view = releases.get(name)
            except InvalidRecord as error:
                problems.append(_unread(name, error))
            else:
                views += [(name, view)] if view else []
    except Unreachable as error:
        fail_to_reach(error)
    return views, problems


def _unread(name: str, error: InvalidRecord) -> str:
    from trimtab.control.release_view import told

    return f"release {name}: {told(error)}"


def _watch(releases: "Releases", name: str, output: ListFormat) -> None:
    from rich.live import Live

    from trimtab.control.console_out import console
    from trimtab.control.notation import revision_line
    from trimtab.control.show import release_panel

    out, is_table = console(), output in (ListFormat.TABLE, ListFormat.WIDE)
    if not is_table or not out.is_terminal:
        newest = None
        for view in releases.watch(name, 1.0):
            if view is not None and view.decision.id != newest:
                newest = view.decision.id
                if is_table:
                    typer.echo(revision_line(view.decision))
                else:
                    _show(view, output)
        return
    with Live(f"waiting for release {name}", console=out, auto_refresh=False) as live:
        for view in releases.watch(name, 1.0):
            live.update(f"no release {name!r} yet" if view is None else release_panel(view), refresh=True)


def _show(view: "ReleaseView", output: ListFormat) -> None:
    if output is ListFormat.NAME:
        typer.echo(view.decision.release)
        return
    if output in (ListFormat.JSON, ListFormat.YAML):
        write(view.plain(), output)
        return
    from trimtab.control.console_out import console
    from trimtab.control.show import release_panel

    console().print(release_panel(view))
