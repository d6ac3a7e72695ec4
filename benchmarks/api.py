"""The HTTP API: what 200 viewers cost, how fast it answers, and whether decisions are slower for it.

A worker decides once a second on one release, of which 200 viewers follow the stream: `sse200_core_share` is the CPU of
the server, all its threads, as a share of one core, and `idle_core_share` the same without a viewer. Reads come at a
fixed rate, each timed from when it was due. Then a second release is decided on ten times a second, and the time from
a decision's evidence record to the notification of a subscriber is taken with and without the viewers, in turns.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from confluent_kafka import Producer

from benchmarks.process import cpu_s, rss_mib
from benchmarks.rig import READY_S, VARIANTS, Rig
from benchmarks.viewers import Reads, Viewers
from trimtab.client import Weights
from trimtab.control.apply import apply_file
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.telemetry import Event, Response
from trimtab.schemas.telemetry_columns import pack
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.backend import Backend
from trimtab.streams.embedded.process import Child

SLOW, FAST = "watched", "measured"
VIEWERS: Final = 200
_PATHS: Final = (
    "/api/v1/releases", f"/api/v1/releases/{SLOW}", f"/api/v1/releases/{SLOW}/decisions?limit=50",
    f"/api/v1/releases/{SLOW}/windows", "/api/v1/sidecars",
)  # fmt: skip
_TURNS: Final = 3
_WARM_UP_S: Final = 5.0
_PAUSE_S: Final = 0.05
_EACH: Final = 5
_RELEASE: Final = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: NAME}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  guardrails: [{metric: error_rate, max: 0.5}, {metric: latency_p99_ms, max: 5000}]
  limits: {minWeight: 1000, maxStep: 10000}
  strategy: {type: bandit, interval: INTERVAL}
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.LOCAL)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each of the measurements")
    parser.add_argument("--rate", type=float, default=200.0, help="reads per second")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives shares of a core, milliseconds of reads, and the ratio of decision latencies with viewers and without."""
    with Rig(options.backend) as rig:
        rig.start_worker()
        for name, interval in ((SLOW, "1s"), (FAST, "100ms")):
            file = rig.folder / f"{name}.yaml"
            file.write_text(_RELEASE.replace("NAME", name).replace("INTERVAL", interval))
            apply_file(file, kafka=rig.kafka, wait_s=READY_S)
        with Weights(rig.redis, [SLOW, FAST]) as weights:
            weights.wait(SLOW, READY_S)
            weights.wait(FAST, READY_S)
        server = rig.trimtab("serve", "serve", "--listen", "127.0.0.1:0", "--kafka", rig.kafka, "--redis", rig.redis)
        port = int(server.await_line(r"http://127\.0\.0\.1:(\d+)", READY_S)[1])
        server.await_line("decisions_followed", READY_S)
        return {"backend": options.backend, **asyncio.run(_measure(options, rig, server, port))}


async def _measure(options: argparse.Namespace, rig: Rig, server: Child, port: int) -> dict[str, object]:
    with _traffic(rig.kafka, [SLOW]):
        idle = await _share(server, options.seconds)
        viewers = Viewers(port, f"/api/v1/releases/{SLOW}/events")
        await viewers.open(VIEWERS)
        before = viewers.events
        share = await _share(server, options.seconds)
        per_s = (viewers.events - before) / VIEWERS / options.seconds
        await viewers.close()
        reads = Reads(port, _PATHS)
        await reads.run(options.rate, options.seconds)
    with _traffic(rig.kafka, [SLOW, FAST]):
        latencies = await _latencies(options.seconds, rig, port)
    (usual, without), (usual_with, with_viewers) = (
        np.quantile(latencies[count], (0.5, 0.99)) for count in (0, VIEWERS)
    )
    return {
        "viewers": VIEWERS, "decisions_per_s": round(per_s, 2), "sse200_core_share": round(share, 4),
        "idle_core_share": round(idle, 4), "streams_ended": viewers.ended, "rss_mib": round(rss_mib(server.pid)),
        "reads_per_s": options.rate, "api_read_p50_ms": round(float(np.quantile(reads.latencies_ms, 0.5)), 2),
        "api_read_p99_ms": round(float(np.quantile(reads.latencies_ms, 0.99)), 2), "reads": len(reads.latencies_ms),
        "reads_failed": reads.failed, "decide_p50_ms": round(usual, 1),
        "decide_p50_with_viewers_ms": round(usual_with, 1),
        "decide_p99_ms": round(without, 1), "decide_p99_with_viewers_ms": round(with_viewers, 1),
        "decide_latency_ratio": round(with_viewers / without, 3),
        "decisions_timed": len(latencies[0]) + len(latencies[VIEWERS]),
    }  # fmt: skip


async def _share(server: Child, seconds: float) -> float:
    """Gives the share of a core that the server takes."""
    cpu, began_s = cpu_s(server.pid), time.perf_counter()
    await asyncio.sleep(seconds)
    return (cpu_s(server.pid) - cpu) / (time.perf_counter() - began_s)


async def _latencies(seconds: float, rig: Rig, port: int) -> dict[int, list[float]]:
    """Gives, by the number of viewers, the milliseconds from evidence record to subscriber of every decision."""
    found: dict[int, list[float]] = {0: [], VIEWERS: []}
    into: list[list[float]] = [[]]

    def on_change(record: WeightsRecord) -> None:
        into[0].append(time.time() * 1000 - record.time_ms)

    with Weights(rig.redis, [FAST], on_change=on_change):
        await asyncio.sleep(_WARM_UP_S)
        into[0] = []
        for _ in range(_TURNS):
            for count, latencies in found.items():
                viewers = Viewers(port, f"/api/v1/releases/{SLOW}/events")
                await viewers.open(count)
                into[0] = latencies
                await asyncio.sleep(seconds)
                into[0] = []
                await viewers.close()
    return found


@contextmanager
def _traffic(kafka: str, releases: list[str]) -> Iterator[None]:
    """Publishes telemetry as long as the block runs: 100 responses a second of each variant."""
    is_over = threading.Event()

    def publish() -> None:
        producer, random = Producer({"bootstrap.servers": kafka, "linger.ms": 5}), np.random.default_rng(1)
        for number in range(1_000_000):
            now_ms = time.time_ns() // 1_000_000
            events: list[Event] = [
                Response(
                    release=release, variant=variant, time_ms=now_ms, duration_ms=float(random.gamma(4.0, 5.0)),
                    status=500 if random.random() < 0.1 else 200,  # noqa: PLR2004 - a tenth fails
                )
                for release in releases for variant in VARIANTS for _ in range(_EACH)
            ]  # fmt: skip
            producer.produce(TELEMETRY, encode(pack(events, publisher="benchmark", seq=number, sent_ms=now_ms)))
            producer.poll(0)
            if is_over.wait(_PAUSE_S):
                break
        producer.flush(10)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
