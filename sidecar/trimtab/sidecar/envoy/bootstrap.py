r"""The configuration that an Envoy is started with, so that it takes its routes from the sidecar and logs to it.

As a program it prints YAML:

    python -m trimtab.sidecar.envoy.bootstrap --listen 127.0.0.1:10000 --socket /run/trimtab/sidecar.sock \
        --admin 127.0.0.1:9901 --cluster v1=127.0.0.1:8001 --cluster v2=127.0.0.1:8002

Copies of requests, for shadow releases, go through a listener inside Envoy (`SHADOW`), which logs them as the other one
logs requests: of what it mirrors Envoy itself logs nothing.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

import yaml

from trimtab.schemas.stamp import HEADER_SHADOW_CLUSTER, HEADER_SHADOW_STAMP, METADATA, METADATA_KEY
from trimtab.sidecar.envoy.answer import FILTER, MODEL, VERSION, model_filter
from trimtab.sidecar.envoy.log_line import log_format
from trimtab.sidecar.envoy.sticky_filter import sticky_filter

ROUTE_CONFIG: Final = "trimtab"
"""The name of the route table that Envoy asks the sidecar for."""

SHADOW: Final = "trimtab_shadow"
"""The listener inside Envoy that copies go through, and the cluster that leads there."""


TAG_STAMP: Final = "stamp"
TAG_CLUSTER: Final = "cluster"
TAG_MODELS: Final = "models"
TAG_MODEL: Final = "model"
TAG_VERSION: Final = "version"
TAG_TRACE: Final = "trace"
"""The custom tags of a log entry. The entry's own `upstream_cluster` is empty when a request starts; the tag is not.
Three are there where models answer: that they do, and what the answer says of itself; the last, where traces are
asked for, is the request's `traceparent`."""

FLUSH_INTERVAL_MS: Final = 50
"""How long Envoy holds log entries back. It adds to the time in which a fault is noticed, so it is short; at 20
messages a second from each worker thread it costs Envoy and the sidecar next to nothing."""

_SIDECAR: Final = "trimtab_sidecar"
_FETCH_TIMEOUT: Final = "15s"
"""How long the listener stays shut while there are no routes; then it opens, and answers 404 until there are."""

_TYPES: Final = "type.googleapis.com/envoy.extensions"
_MODULE: Final = "trimtab.sidecar.envoy.bootstrap"

Config = dict[str, Any]


def bootstrap(  # noqa: PLR0913 - what a configuration says, by name
    clusters: Mapping[str, str],
    *,
    listen: str,
    sidecar: str,
    admin: str,
    flush_interval_ms: int = FLUSH_INTERVAL_MS,
    log_file: str = "",
    models: bool = False,
    traces: bool = False,
) -> Config:
    """Gives the bootstrap configuration of an Envoy that balances between `clusters` (name -> HOST:PORT).

    `listen` is HOST:PORT, `sidecar` the path of the sidecar's socket, `admin` HOST:PORT or `unix:PATH`. Port 0 lets
    the system choose. `log_file`: where Envoy logs to, for the sidecar to read; without one it logs over the socket.
    `models`: whether it is to look into answers for the model that gave them (`answer.py`).
    `traces`: whether entries tell the request's `traceparent`; over the socket alone.
    The listener opens once the sidecar has answered, or after 15 s. Raises `ValueError` for an address that cannot be
    one.
    """
    log = _LogTo(log_file, flush_interval_ms, models, traces)
    return {
        "node": {"id": "trimtab-envoy", "cluster": "trimtab"},
        "admin": {"address": _address(admin)},
        "static_resources": {
            "listeners": [_listener(listen, log), _shadow_listener(log)],
            "clusters": [
                _sidecar_cluster(sidecar), *(_cluster(name, at) for name, at in clusters.items()), _SHADOW_CLUSTER
            ],
        },
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {"@type": f"{_TYPES}.bootstrap.internal_listener.v3.InternalListener"},
            }
        ],
    }  # fmt: skip


def yaml_text(config: Config) -> str:
    """Gives `config` as YAML, which `envoy -c` reads."""
    return yaml.safe_dump(config, sort_keys=False, width=120)


def _listener(listen: str, log: "_LogTo") -> Config:
    http = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "trimtab",
        "generate_request_id": True,
        "rds": {
            "route_config_name": ROUTE_CONFIG,
            "config_source": {
                "resource_api_version": "V3",
                "initial_fetch_timeout": _FETCH_TIMEOUT,
                "api_config_source": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [_grpc_service(retry_policy=_RECONNECT)],
                },
            },
        },
        **_log_and_route(log.of_routes(), [sticky_filter(), *log.filters]),
    }
    return {
        "name": "trimtab",
        "address": _address(listen),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }


def _shadow_listener(log: "_LogTo") -> Config:
    """Takes copies, each to the cluster that it names. Only Envoy itself can connect to it."""
    route = {"match": {"prefix": "/"}, "route": {"cluster_header": HEADER_SHADOW_CLUSTER}}
    http = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": SHADOW,
        "preserve_external_request_id": True,
        "route_config": {"name": SHADOW, "virtual_hosts": [{"name": SHADOW, "domains": ["*"], "routes": [route]}]},
        **_log_and_route(log.of_copies(), log.filters),
    }
    return {
        "name": SHADOW,
        "internal_listener": {},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }


_SHADOW_CLUSTER: Final = {
    "name": SHADOW,
    "type": "STATIC",
    "connect_timeout": "1s",
    "load_assignment": {
        "cluster_name": SHADOW,
        "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": SHADOW}}}}]}
        ],
    },
}


def _log_and_route(access_log: Config, filters: Sequence[Config] = ()) -> Config:
    """Gives what every listener does with its requests."""
    router = {"name": "router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}}
    return {
        "access_log": [{"name": "trimtab", "typed_config": access_log}],
        "access_log_options": {"flush_access_log_on_new_request": True},
        "http_filters": [*filters, router],
    }


class _LogTo(NamedTuple):
    """Where Envoy logs to: a file, or the sidecar itself."""

    file: str
    flush_interval_ms: int
    models: bool
    traces: bool

    @property
    def filters(self) -> list[Config]:
        """Gives what looks into answers."""
        return [model_filter()] if self.models else []

    def of_routes(self) -> Config:
        """Gives the log of requests whose stamp is in the metadata of their route."""
        path = [{"key": METADATA_KEY}]
        stamp = {"kind": {"route": {}}, "metadata_key": {"key": METADATA, "path": path}}
        return self._in_file(log_format(models=self.models)) if self.file else self._over_grpc({"metadata": stamp})

    def of_copies(self) -> Config:
        """Gives the log of requests that bring their stamp along."""
        if self.file:
            return self._in_file(log_format(f"%REQ({HEADER_SHADOW_STAMP})%", models=self.models))
        return self._over_grpc({"request_header": {"name": HEADER_SHADOW_STAMP}})

    def _in_file(self, text: str) -> Config:
        return {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": self.file,
            "log_format": {"text_format_source": {"inline_string": text}},
        }

    def _over_grpc(self, stamp: Config) -> Config:
        return {
            "@type": f"{_TYPES}.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": "trimtab",
                "transport_api_version": "V3",
                "grpc_service": _grpc_service(),
                "buffer_flush_interval": f"{self.flush_interval_ms / 1000:g}s",
                "buffer_size_bytes": 65_536,
                "custom_tags": [
                    {"tag": TAG_STAMP, **stamp},
                    {"tag": TAG_CLUSTER, "value": "%UPSTREAM_CLUSTER_RAW%"},
                    *(_MODEL_TAGS if self.models else ()),
                    *(_TRACE_TAGS if self.traces else ()),
                ],
            },
        }


def _found(key: str) -> Config:
    return {"metadata": {"kind": {"request": {}}, "metadata_key": {"key": FILTER, "path": [{"key": key}]}}}


_MODEL_TAGS: Final = (
    {"tag": TAG_MODELS, "literal": {"value": "v2"}},
    {"tag": TAG_MODEL, **_found(MODEL)},
    {"tag": TAG_VERSION, **_found(VERSION)},
)

_TRACE_TAGS: Final = ({"tag": TAG_TRACE, "request_header": {"name": "traceparent"}},)

_RECONNECT: Final = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
"""Envoy's own 30 s at most would leave a proxy on old weights that long after its sidecar is back."""


def _grpc_service(**envoy_grpc: Any) -> Config:
    return {"envoy_grpc": {"cluster_name": _SIDECAR, **envoy_grpc}}


def _sidecar_cluster(path: str) -> Config:
    http2 = {
        "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "name": _SIDECAR,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": _endpoint(_SIDECAR, f"unix:{path}"),
    }


def _cluster(name: str, at: str) -> Config:
    return {
        "name": name,
        "type": "STATIC" if _is_ip(at.rpartition(":")[0]) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": _endpoint(name, at),
    }


def _endpoint(cluster: str, at: str) -> Config:
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(at)}}]}]}


def _address(text: str) -> Config:
    if text.startswith("unix:"):
        return {"pipe": {"path": text.removeprefix("unix:")}}
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 1 << 16:
        raise ValueError(f"address {text!r}: expected HOST:PORT or unix:PATH")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _named(text: str) -> tuple[str, str]:
    name, equals, at = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=HOST:PORT, got {text!r}")
    return name, at


def main(arguments: Sequence[str]) -> str:
    """Gives the YAML that the command line asks for, headed by that command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description="print an Envoy bootstrap configuration")
    parser.add_argument("--cluster", type=_named, action="append", required=True, metavar="NAME=HOST:PORT")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--socket", required=True, metavar="PATH", help="of the sidecar")
    parser.add_argument("--admin", required=True, metavar="HOST:PORT|unix:PATH")
    parser.add_argument("--log-file", default="", metavar="PATH", help="log there, and not over the socket")
    parser.add_argument("--models", action="store_true", help="look into answers for the model that gave them")
    parser.add_argument("--traces", action="store_true", help="tell the traceparent of requests, over the socket")
    parser.add_argument("--flush-interval-ms", type=int, default=FLUSH_INTERVAL_MS, metavar="MS")
    given = parser.parse_args(arguments)
    try:
        config = bootstrap(
            dict(given.cluster), listen=given.listen, sidecar=given.socket, admin=given.admin,
            flush_interval_ms=given.flush_interval_ms, log_file=given.log_file,
            models=given.models, traces=given.traces,
        )  # fmt: skip
    except ValueError as error:
        parser.error(str(error))
    return f"# Generated by: python -m {_MODULE} {shlex.join(arguments)}\n{yaml_text(config)}"


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
