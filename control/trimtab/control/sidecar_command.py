"""`trimtab sidecar envoy`, and `exec` and `file`: weights for any proxy that is told by a command or a file."""

# Imports stand inside the commands: what one needs the others are not to wait for.
# ruff: noqa: PLC0415

import shutil
from dataclasses import replace
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    Metrics,
    RedisUrl,
    address_of,
    fail,
    log_to_stderr,
    settings_in_force,
)

if TYPE_CHECKING:
    from trimtab.sidecar.follower import FollowerOptions

ReleaseNames = Annotated[list[str], typer.Option("--release", metavar="NAME", help="May be repeated.")]
SidecarId = Annotated[str, typer.Option("--id", help="Names it in reports.")]
CacheFolder = Annotated[
    Path | None, typer.Option("--cache", metavar="FOLDER", help="Keeps the last weights over restarts.")
]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", metavar="FILE", help="How to reach the cluster; not needed within one.")
]
Interval = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", help="From one change to the next, at least.")
]


def serve_envoy(  # noqa: PLR0913 - one argument an option
    *,
    release: Annotated[list[str], typer.Option("--release", metavar="NAME", help="May be repeated.")],
    socket: Annotated[Path, typer.Option(metavar="PATH", help="Unix socket on which Envoy finds the sidecar.")],
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    id_: Annotated[str, typer.Option("--id", help="Names it in reports and as a publisher.")] = "",
    cache: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keeps the last weights over restarts.")] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Envoy's log; without it, it comes over the socket.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keeps how far the log was read; LOG.trimtab by default.")
    ] = None,
    routes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your RouteConfiguration, to merge the releases' routes into.")
    ] = None,
    virtual_host: Annotated[
        str, typer.Option(metavar="NAME", help="Which of its virtual hosts; not needed for one.")
    ] = "",
    headers: Annotated[
        bool,
        typer.Option("--headers/--no-headers", help="Have answers name release, variant, revision; --no-headers: not."),
    ] = True,
    linger: Annotated[float, typer.Option(metavar="MS", min=1, help="How long events wait to go out together.")] = 50.0,
    metrics: Metrics = "",
) -> None:
    """Serve routes to an Envoy, and publish what its access log tells.

    Example: trimtab sidecar envoy --release checkout --socket /run/trimtab/sidecar.sock --metrics 127.0.0.1:9100
    """
    from trimtab.sidecar.envoy import EnvoySidecarOptions, run

    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    try:
        options = EnvoySidecarOptions(
            releases=tuple(release),
            socket=socket,
            kafka=settings.kafka,
            redis=settings.redis,
            cache=cache,
            log=log,
            checkpoint=checkpoint or (log.with_name(f"{log.name}.trimtab") if log else None),
            routes=routes,
            virtual_host=virtual_host,
            headers=headers,
            linger_ms=linger,
            metrics=address_of("--metrics", metrics),
            tracing=settings.tracing,
        )
        options = replace(options, id=id_) if id_ else options
    except ValueError as error:
        fail(str(error), USAGE)
    raise typer.Exit(run(options))


def run_command(  # noqa: PLR0913 - one argument an option
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command and its arguments.")],
    *,
    release: ReleaseNames,
    redis: RedisUrl = "",
    config: Config = None,
    id_: SidecarId = "",
    cache: CacheFolder = None,
    interval: Interval = 1.0,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="After which it is ended by force.")] = 30.0,
    metrics: Metrics = "",
) -> None:
    """Run a command whenever weights change, with the new ones as JSON on its standard input.

    It has taken them when it exits with 0. Otherwise the last line that it printed is shown by `trimtab get sidecars`,
    and it is run again, after one second at first and half a minute at last.

    Example: trimtab sidecar exec --release checkout -- /etc/nginx/trimtab.py
    """
    from trimtab.sidecar.command import Command
    from trimtab.sidecar.follow import run

    options = _options("exec", release, id_, cache, interval, (config, redis, metrics))
    if shutil.which(command[0]) is None:
        fail(f"command: there is no program {command[0]!r}", USAGE)
    try:
        bring = Command(command, timeout).bring
    except ValueError as error:
        fail(str(error), USAGE)
    log_to_stderr()
    raise typer.Exit(run(options, bring))


def write_file(  # noqa: PLR0913 - one argument an option
    *,
    release: ReleaseNames,
    path: Annotated[Path, typer.Option(metavar="FILE", help="Replaced as a whole with each change.")],
    redis: RedisUrl = "",
    config: Config = None,
    id_: SidecarId = "",
    cache: CacheFolder = None,
    interval: Interval = 0.0,
    metrics: Metrics = "",
) -> None:
    """Keep a file with the newest weights as JSON: its readers find the old ones or the new ones, never a part.

    Example: trimtab sidecar file --release checkout --path /run/trimtab/weights.json
    """
    from trimtab.sidecar.follow import run
    from trimtab.sidecar.weights_file import WeightsFile

    options = _options("file", release, id_, cache, interval, (config, redis, metrics))
    try:
        bring = WeightsFile(path).bring
    except ValueError as error:
        fail(str(error), USAGE)
    log_to_stderr()
    raise typer.Exit(run(options, bring))


def patch_gateway_route(  # noqa: PLR0913 - one argument an option
    *,
    release: Annotated[str, typer.Option(metavar="NAME", help="The release.")],
    route: Annotated[str, typer.Option(metavar="NAMESPACE/NAME", help="The HTTPRoute.")],
    redis: RedisUrl = "",
    config: Config = None,
    id_: SidecarId = "",
    cache: CacheFolder = None,
    interval: Interval = 1.0,
    kubeconfig: Kubeconfig = None,
    metrics: Metrics = "",
) -> None:
    """Keep the backendRefs of an HTTPRoute (Gateway API) at the weights; targets are their names.

    Example: trimtab sidecar gateway-api --release checkout --route shop/checkout
    """
    _patch("HTTPRoute", (release, route, 10_000, kubeconfig), (id_, cache, interval, (config, redis, metrics)))


def patch_virtual_service(  # noqa: PLR0913 - one argument an option
    *,
    release: Annotated[str, typer.Option(metavar="NAME", help="The release.")],
    virtual_service: Annotated[str, typer.Option(metavar="NAMESPACE/NAME", help="The VirtualService.")],
    redis: RedisUrl = "",
    config: Config = None,
    id_: SidecarId = "",
    cache: CacheFolder = None,
    interval: Interval = 1.0,
    total: Annotated[int, typer.Option(metavar="N", help="What weights sum to; old Istio takes 100 alone.")] = 10_000,
    kubeconfig: Kubeconfig = None,
    metrics: Metrics = "",
) -> None:
    """Keep the routes of a VirtualService (Istio) at the weights; targets are HOST, or HOST/SUBSET.

    Example: trimtab sidecar istio --release checkout --virtual-service shop/checkout
    """
    _patch(
        "VirtualService",
        (release, virtual_service, total, kubeconfig),
        (id_, cache, interval, (config, redis, metrics)),
    )


def _patch(
    kind: str,
    what: tuple[str, str, int, Path | None],
    how: tuple[str, Path | None, float, tuple[Path | None, str, str]],
) -> None:
    from trimtab.sidecar.follow import run

    (release, place, total, kubeconfig), (id_, cache, interval, source) = what, how
    namespace, slash, name = place.partition("/")
    if not (namespace and slash and name):
        fail(f"{kind}: expected NAMESPACE/NAME, got {place!r}", USAGE)
    if total < 1:
        fail(f"total: expected at least 1, got {total}", USAGE)
    try:
        from trimtab.sidecar.kubernetes.patcher import AGAIN_S, Patcher
        from trimtab.sidecar.kubernetes.shapes import HTTP_ROUTE, VIRTUAL_SERVICE
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[kubernetes]'", USAGE)
    shape = HTTP_ROUTE if kind == HTTP_ROUTE.kind else VIRTUAL_SERVICE
    options = _options("kubernetes", [release], id_, cache, interval, source)
    try:
        bring = Patcher(shape, namespace, name, kubeconfig=kubeconfig, total=total).bring
    except ValueError as error:
        fail(str(error), USAGE)
    log_to_stderr()
    raise typer.Exit(run(replace(options, again_s=AGAIN_S), bring))


def _options(  # noqa: PLR0913, PLR0917 - the options of the commands
    proxy: str, release: list[str], id_: str, cache: Path | None, interval: float, source: tuple[Path | None, str, str]
) -> "FollowerOptions":
    from trimtab.sidecar.follower import FollowerOptions

    settings = settings_in_force(source[0], redis=source[1])
    try:
        return FollowerOptions(
            releases=tuple(release), redis=settings.redis, id=id_ or f"{proxy}-{gethostname()}", proxy=proxy,
            cache=cache, interval_s=interval, metrics=address_of("--metrics", source[2]),
            tracing=settings.tracing,
        )  # fmt: skip
    except ValueError as error:
        fail(str(error), USAGE)
