"""HAProxy's configuration for releases, as a user may take it or take from it.

What is the user's own stands in `ProxySettings`, the rest follows from the release files (`release_config.py`). Every
name that the sidecar relies on comes from `names.py`.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from trimtab.schemas.release import Release
from trimtab.sidecar.haproxy.log_line import LOG_FORMAT
from trimtab.sidecar.haproxy.names import target_of
from trimtab.sidecar.haproxy.options import refuse_unspeakable
from trimtab.sidecar.haproxy.proxy_settings import ProxySettings
from trimtab.sidecar.haproxy.release_config import ReleaseConfig, Section

RING_BYTES: Final = 16 * 1024 * 1024
"""What HAProxy keeps of its log while no sidecar reads it: some 150,000 requests."""

_DRAWS: Final = 10_000
_SERVER: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?")


class Unconfigurable(ValueError):
    """What was asked for makes no configuration; the message says what is wrong."""


def configuration(releases: Sequence[Release], settings: ProxySettings) -> str:
    """Gives the configuration for `releases`. Raises `Unconfigurable`."""
    _check(releases, settings)
    configs = [ReleaseConfig(release, f"r{number}", settings) for number, release in enumerate(releases, 1)]
    # The longest prefix first, and of the same those with a condition: the others take what is left.
    configs.sort(key=lambda config: (-len(config.release.spec.route.prefix), not config.overall))
    is_kept = any(config.by is not None for config in configs)
    sections = [*_head(settings, is_kept=is_kept), _frontend(configs, settings)]
    for config in configs:
        sections += config.backends()
    return "\n".join(_text(section) for section in sections)


def _text(section: Section) -> str:
    title, lines = section
    return "\n".join([title, *(f"    {line}" for line in lines)]) + "\n"


def _head(settings: ProxySettings, *, is_kept: bool) -> Iterator[Section]:
    files = settings.files
    yield "global", [
        f"stats socket {settings.socket} mode 660 level admin", f"server-state-file {files.servers}",
        "hard-stop-after 60s", *([f"lua-load {files.script}"] if is_kept else []),
        # Of two threads that write to standard output at once, one may drop its line.
        *(["nbthread 1"] if settings.log_to_stdout else []),
    ]  # fmt: skip
    if not settings.log_to_stdout:
        yield "ring trimtab", [
            "format raw", "maxlen 1024", f"size {RING_BYTES}", "timeout connect 1s", "timeout server 10s",
            f"server sidecar unix@{files.log_socket} log-proto octet-count",
        ]  # fmt: skip
    yield "defaults", [
        # No `option redispatch`: another variant would answer for one that cannot be reached, and nobody would know.
        "mode http", "load-server-state-from-file global", "retries 2",
        "option idle-close-on-response", "option abortonclose", "timeout connect 1s",
        "timeout client 30s", "timeout server 30s", "timeout queue 5s",
    ]  # fmt: skip


def _frontend(configs: Sequence[ReleaseConfig], settings: ProxySettings) -> Section:
    lines = [
        f"bind {settings.bind}",
        f"log {'stdout' if settings.log_to_stdout else 'ring@trimtab'} len 1024 format raw local0",
        f'log-format "{LOG_FORMAT}"',
        "unique-id-format %[uuid()]",
        "unique-id-header x-request-id",
        f"http-request set-var(txn.trimtab_draw) rand({_DRAWS})",
    ]
    lines += [line for config in configs for line in config.variables()]
    return "frontend trimtab", lines + [line for config in configs for line in config.routing()]


def _check(releases: Sequence[Release], settings: ProxySettings) -> None:
    try:
        refuse_unspeakable("socket", settings.socket)
        refuse_unspeakable("state", settings.state)
    except ValueError as error:
        raise Unconfigurable(str(error)) from None
    for what, text in (("bind", settings.bind), *settings.servers.items()):
        if not text or " " in text or not text.isprintable():
            raise Unconfigurable(f"{what}: expected an address without spaces, got {text!r}")
    if not settings.segment_key.isprintable():
        raise Unconfigurable(f"segment key: expected one line, got {settings.segment_key!r}")
    for server in settings.servers:
        if not _SERVER.fullmatch(server):
            raise Unconfigurable(f"server {server!r}: expected TARGET or TARGET.N, of letters, digits, - and _")
    _check_places(releases)
    for release in releases:
        _check_servers(release, settings)
        _check_stickiness(release, settings)


def _check_places(releases: Sequence[Release]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for release in releases:
        place = (release.spec.route.prefix, release.spec.route.condition or "")
        if place in taken:
            raise Unconfigurable(
                f"release {release.name}: prefix {place[0]!r} and condition are those of {taken[place]}, expected"
                " others: HAProxy's configuration has one release in a place"
            )
        taken[place] = release.name


def _check_stickiness(release: Release, settings: ProxySettings) -> None:
    if release.spec.stickiness is not None and settings.sticky:
        raise Unconfigurable(
            f"release {release.name}: expected either `stickiness` in the file or a cookie of HAProxy's (--sticky)"
        )


def _check_servers(release: Release, settings: ProxySettings) -> None:
    there = {target_of(server) for server in settings.servers}
    for variant in release.spec.variants:
        if variant.at_proxy not in there:
            raise Unconfigurable(
                f"release {release.name}, variant {variant.name}: expected a server called {variant.at_proxy!r}, or"
                f" {variant.at_proxy + '.1'!r} and so on, got {', '.join(settings.servers) or 'none'}"
            )
