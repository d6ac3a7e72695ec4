"""The `trimtab` command. Data goes to standard output, words to standard error.

Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong file, 3 a server could not be reached, 4 not over in time.
"""

# Imports stand inside the commands: `trimtab get` is not to wait for Faust, nor a sidecar's host to have NumPy.
# ruff: noqa: PLC0415

import json
from enum import StrEnum
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    Wait,
    address_of,
    fail,
    fail_to_reach,
    log_to_stderr,
    redis_url,
    settings_in_force,
)
from trimtab.control.demo import DemoOptions, Scenario, Strategy
from trimtab.control.explain_command import explain
from trimtab.control.gate_command import lint, status
from trimtab.control.haproxy_command import sidecar_haproxy, sidecar_haproxy_config
from trimtab.control.replay_command import replay
from trimtab.control.serve_command import serve
from trimtab.control.sidecar_command import (
    patch_gateway_route,
    patch_virtual_service,
    run_command,
    serve_envoy,
    write_file,
)
from trimtab.control.steer_command import abort, freeze, pause, promote, resume, retry, set_weights
from trimtab.schemas.errors import InvalidRecord, InvalidRelease, Unreachable
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.streams.backend import Backend, WrongBackend

if TYPE_CHECKING:
    from trimtab.control.release_view import Releases, ReleaseView

app = typer.Typer(
    name="trimtab",
    help="Release decisions from live traffic: canaries, bandits and guardrails that move weights within a second.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
get_app = typer.Typer(no_args_is_help=True, help="Show releases.")
config_app = typer.Typer(no_args_is_help=True, help="Settings.")
sidecar_app = typer.Typer(no_args_is_help=True, help="Run beside a proxy: weights in, telemetry out.")
app.add_typer(get_app, name="get")
app.add_typer(sidecar_app, name="sidecar")
app.add_typer(config_app, name="config")


class ListFormat(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@app.command()
def demo(  # noqa: PLR0913 - one argument an option
    *,
    scenario: Annotated[Scenario, typer.Option(help="What the candidates turn out to be.")] = Scenario.FAULTY,
    strategy: Annotated[Strategy, typer.Option(help="How traffic moves.")] = Strategy.CANARY,
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="Of the traffic.")] = 60.0,
    rps: Annotated[int, typer.Option(metavar="N", help="Requests per second.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Of arrivals and answers.")] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Lines in place of the live view.")] = False,
    backend: Annotated[
        Backend, typer.Option(help="Which Kafka and Redis; auto: external with addresses, else embedded.")
    ] = Backend.AUTO,
    kafka: Annotated[str, typer.Option(metavar="HOST:PORT", help="Of the backend external.")] = "",
    redis: Annotated[str, typer.Option(metavar="URL", help="Of the backend external.", callback=redis_url)] = "",
) -> None:
    """Run a real release on this machine: Kafka, Redis, Envoy, three services, traffic, and what becomes of it."""
    try:
        from trimtab.control.demo.run import run
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[demo]'", USAGE)
    try:
        options = DemoOptions(
            scenario=scenario, strategy=strategy, duration_s=duration, rps=rps, seed=seed, plain=plain,
            backend=backend, kafka=kafka, redis=redis,
        )  # fmt: skip
    except (ValueError, WrongBackend) as error:
        fail(str(error), USAGE)
    raise typer.Exit(run(options))


@app.command()
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
        changed = [release for release in releases if documents[release.name] != release.document()]
        if changed:
            publish(changed, kafka=settings.kafka, wait_s=wait)
    except InvalidRelease as error:
        fail(str(error), USAGE)
    except Unreachable as error:
        fail_to_reach(error)
    for warning in missing_policies(releases):
        typer.echo(f"warning: {warning}", err=True)
    for release in releases:
        is_new = documents[release.name] is None
        typer.echo(f"{release.name} {'created' if is_new else 'configured' if release in changed else 'unchanged'}")


@get_app.command("releases")
def get_releases(
    *,
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """List all releases."""
    views, problems = _all_releases(settings_in_force(config, redis=redis).redis)
    if output is ListFormat.TABLE:
        from rich.console import Console

        from trimtab.control.show import releases_table

        nothing = "no releases that can be shown" if problems else "no releases"
        Console().print(releases_table(views) if views else nothing)
    else:
        _write([view.plain() for _, view in views], output)
    if problems:
        fail("\n".join(problems), 1)


@get_app.command("sidecars")
def get_sidecars(
    *,
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[ListFormat, typer.Option("--output", "-o", help="How to write it.")] = ListFormat.TABLE,
) -> None:
    """List the sidecars of all releases: what each has in force, and what its proxy refused, in the proxy's words."""
    views, problems = _all_releases(settings_in_force(config, redis=redis).redis)
    problems += [f"sidecar {line}" for _, view in views for line in view.unread]
    if output is ListFormat.TABLE:
        from rich.console import Console

        from trimtab.control.show import sidecars_table

        Console().print(sidecars_table(view for _, view in views) or "no sidecars")
    else:
        _write([report for _, view in views for report in view.plain()["status"]["sidecars"]], output)
    if problems:
        fail("\n".join(problems), 1)


@get_app.command("release")
def get_release(
    name: str,
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


app.command("lint")(lint)
app.command("status")(status)
for _verb in (pause, resume, promote, abort, retry, freeze):
    app.command(_verb.__name__)(_verb)
app.command("set-weights")(set_weights)
app.command("explain")(explain)
app.command("replay")(replay)
app.command("serve")(serve)


@app.command()
def worker(
    *,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 30.0,
    health: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Serve /livez, /readyz and /metrics there; port 0 is any that is free."),
    ] = "",
) -> None:
    """Run a worker: telemetry in, decisions out. More machines means more of them, with the same command."""
    try:
        from trimtab.streams.worker import run
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[server]'", USAGE)
    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    raise typer.Exit(run(settings, wait, address_of("--health", health)))


sidecar_app.command("envoy")(serve_envoy)
sidecar_app.command("haproxy")(sidecar_haproxy)
sidecar_app.command("haproxy-config")(sidecar_haproxy_config)
sidecar_app.command("gateway-api")(patch_gateway_route)
sidecar_app.command("istio")(patch_virtual_service)
sidecar_app.command("exec")(run_command)
sidecar_app.command("file")(write_file)


class TreeFormat(StrEnum):
    """How a tree is written."""

    YAML = "yaml"
    JSON = "json"


@config_app.command("show")
def config_show(
    *,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[TreeFormat, typer.Option("--output", "-o", help="How to write it.")] = TreeFormat.YAML,
) -> None:
    """Show the settings in force, secrets masked. docs/settings.md tells what each means."""
    from trimtab.streams.setting_table import shown

    _write(shown(settings_in_force(config, kafka, redis)), ListFormat(output))


@app.command()
def schema(name: Annotated[str, typer.Argument(help="One schema; all of them by default.")] = "") -> None:
    """Print the JSON Schemas of release files, telemetry, evidence, decisions and weights; `asyncapi`: of all of it.

    Example: trimtab schema asyncapi
    """
    from trimtab.schemas import asyncapi
    from trimtab.schemas.json_schema import documents

    if name == "asyncapi":
        typer.echo(json.dumps(asyncapi.document(installed_version("trimtab")), indent=2))
        return
    known = documents()
    if name and name not in known:
        fail(f"no schema {name!r}; there are {', '.join(known)}, asyncapi", USAGE)
    typer.echo(json.dumps(known[name] if name else known, indent=2))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("trimtab"))


def _releases(redis: RedisConnection) -> "Releases":
    from trimtab.control.release_view import Releases

    return Releases(redis)


def _all_releases(redis: RedisConnection) -> tuple[list[tuple[str, "ReleaseView"]], list[str]]:
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
    from rich.console import Console
    from rich.live import Live

    from trimtab.control.show import release_panel, revision_line

    console = Console()
    if output is not ListFormat.TABLE or not console.is_terminal:
        newest = None
        for view in releases.watch(name, 1.0):
            if view is not None and view.decision.id != newest:
                newest = view.decision.id
                if output is ListFormat.TABLE:
                    typer.echo(revision_line(view.decision))
                else:
                    _show(view, output)
        return
    with Live(f"waiting for release {name}", console=console, auto_refresh=False) as live:
        for view in releases.watch(name, 1.0):
            live.update(f"no release {name!r} yet" if view is None else release_panel(view), refresh=True)


def _show(view: "ReleaseView", output: ListFormat) -> None:
    if output is not ListFormat.TABLE:
        _write(view.plain(), output)
        return
    from rich.console import Console

    from trimtab.control.show import release_panel

    Console().print(release_panel(view))


def _write(data: object, output: ListFormat) -> None:
    if output is ListFormat.JSON:
        typer.echo(json.dumps(data, indent=2))
        return
    import yaml

    typer.echo(yaml.safe_dump(data, sort_keys=False, explicit_start=True), nl=False)


def main() -> None:
    """Runs the command."""
    app()


if __name__ == "__main__":
    main()
