"""`trimtab sidecar haproxy` and `trimtab sidecar haproxy-config`."""

# Imports stand inside the commands: `trimtab get` is not to wait for what it does not need.
# ruff: noqa: PLC0415

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from trimtab.control.command import USAGE, Config, Kafka, RedisUrl, fail, log_to_stderr, say, settings_in_force
from trimtab.schemas.errors import InvalidRelease

StatsSocket = Annotated[Path, typer.Option("--socket", metavar="PATH", help="HAProxy's stats socket, of level admin.")]
State = Annotated[
    Path, typer.Option("--state", metavar="FOLDER", help="Shared with HAProxy: map, state of servers, log socket.")
]


def sidecar_haproxy(  # noqa: PLR0913 - one argument an option
    *,
    release: Annotated[list[str], typer.Option("--release", metavar="NAME", help="May be repeated.")],
    socket: StatsSocket,
    state: State,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="HAProxy's log; without it, it comes over a ring.")
    ] = None,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    id_: Annotated[str, typer.Option("--id", help="Names it in reports and as a publisher.")] = "",
    cache: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keeps the last weights over restarts.")] = None,
) -> None:
    """Keep the servers of a HAProxy at the weights, and publish what its log tells."""
    from trimtab.sidecar.haproxy import HAProxySidecarOptions, run

    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    try:
        options = HAProxySidecarOptions(
            releases=tuple(release), socket=socket, state=state, log=log, kafka=settings.kafka, redis=settings.redis,
            cache=cache,
        )  # fmt: skip
        options = replace(options, id=id_) if id_ else options
    except ValueError as error:
        fail(str(error), USAGE)
    raise typer.Exit(run(options))


def sidecar_haproxy_config(  # noqa: PLR0913 - one argument an option
    *,
    files: Annotated[list[Path], typer.Option("--file", "-f", metavar="FILE", help="Release file; may be repeated.")],
    bind: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where visitors come.")],
    server: Annotated[
        list[str],
        typer.Option(metavar="TARGET=HOST:PORT", help="May be repeated; TARGET.1, TARGET.2 where it has several."),
    ],
    socket: StatsSocket,
    state: State,
    sticky: Annotated[bool, typer.Option("--sticky", help="Keep visitors at their server, by a cookie.")] = False,
    segment_key: Annotated[
        str, typer.Option(metavar="SAMPLE", help="Tell segments by a map too, asked by this: req.hdr(x-customer).")
    ] = "",
    log_to_stdout: Annotated[
        bool, typer.Option("--log-to-stdout", help="Log to standard output, so into a file; else over a ring.")
    ] = False,
) -> None:
    """Print a configuration of HAProxy: backends, conditions, stickiness, log.

    Example: trimtab sidecar haproxy-config -f checkout.yaml --bind :8080 --server v1=10.0.0.1:80
    --server v2=10.0.0.2:80 --socket /run/haproxy/admin.sock --state /var/lib/trimtab
    """
    from trimtab.control.apply import read
    from trimtab.sidecar.haproxy.config import Unconfigurable, configuration
    from trimtab.sidecar.haproxy.proxy_settings import ProxySettings

    try:
        settings = ProxySettings(
            bind=bind, socket=socket, state=state, servers=_servers(server), sticky=sticky, segment_key=segment_key,
            log_to_stdout=log_to_stdout,
        )  # fmt: skip
        text = configuration(read(files), settings)
    except (InvalidRelease, Unconfigurable) as error:
        fail(str(error), USAGE)
    typer.echo(text, nl=False)
    say(f"HAProxy needs the folder {state} with its files before it starts: start the sidecar first, which makes them")


def _servers(texts: list[str]) -> dict[str, str]:
    from trimtab.sidecar.haproxy.config import Unconfigurable

    servers: dict[str, str] = {}
    for text in texts:
        name, equals, at = text.partition("=")
        if not name or not equals or not at:
            raise Unconfigurable(f"--server: expected TARGET=HOST:PORT, got {text!r}")
        if name in servers:
            raise Unconfigurable(f"--server: {name!r} stands twice")
        servers[name] = at
    return servers
