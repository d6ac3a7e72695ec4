"""A long run at a steady rate: whether memory stays flat and every event is counted once.

20,000 events/s for `--minutes`; the resident memory of the worker, of an Envoy sidecar and of a client (the feed) is
read every second. What was lost or doubled is what the feed sent against what the last decision rests on.
"""

import argparse
import statistics
import time
from typing import Final

from benchmarks.feed import release_name
from benchmarks.process import rss_mib
from benchmarks.rig import READY_S, Rig
from benchmarks.scale import release_of
from trimtab.control.apply import publish
from trimtab.control.release_view import Releases
from trimtab.streams.backend import Backend

_RATE: Final = 20_000
_PARTITIONS: Final = 4
_LOOK_S: Final = 1.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.LOCAL)
    parser.add_argument("--minutes", type=float, default=20.0)


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives the growth of memory from the second quarter to the last, and the events lost and doubled."""
    seconds = int(options.minutes * 60)
    with Rig(options.backend) as rig:
        worker = rig.start_worker()
        publish([release_of(0)], kafka=rig.kafka, wait_s=READY_S)
        sidecar = rig.trimtab(
            "sidecar", "sidecar", "envoy", "--release", release_name(0), "--socket", str(rig.folder / "sidecar.sock"),
            "--kafka", rig.kafka, "--redis", rig.redis,
        )  # fmt: skip
        feed = rig.spawn("feed", "-m", "benchmarks.feed", rig.kafka, *map(str, (_RATE, seconds, 1, _PARTITIONS)))
        feed.await_line("feeding", READY_S)
        pids = {"worker": worker.pid, "sidecar": sidecar.pid, "client": feed.pid}
        samples = _sampled(pids, seconds)
        sent = int(feed.await_line(r"sent (\d+)", READY_S)[1])
        counted = _counted(rig.redis, sent)
    growth = {name: _growth_pct(values) for name, values in samples.items()}
    return {
        "backend": options.backend,
        "minutes": options.minutes,
        "rate": _RATE,
        "rss_growth_pct": max(growth.values()),
        "growth_pct": growth,
        "rss_mib": {name: round(values[-1], 1) for name, values in samples.items()},
        "sent": sent,
        "lost": max(0, sent - counted),
        "doubled": max(0, counted - sent),
    }


def _sampled(pids: dict[str, int], seconds: int) -> dict[str, list[float]]:
    """Gives the resident memory of each process, second by second."""
    samples: dict[str, list[float]] = {name: [] for name in pids}
    end_s = time.monotonic() + seconds - _LOOK_S
    while time.monotonic() < end_s:
        time.sleep(_LOOK_S)
        for name, pid in pids.items():
            samples[name].append(rss_mib(pid))
    return samples


def _growth_pct(values: list[float]) -> float:
    quarter = len(values) // 4
    second, last = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
    return round((last / second - 1.0) * 100, 2)


def _counted(redis: str, sent: int) -> int:
    """Gives how many events the newest decision rests on, once it rests on all that were sent, or nothing moves."""
    releases, counted, still_s = Releases(redis), -1, 0.0
    while counted < sent and still_s < READY_S / 2:
        view = releases.get(release_name(0))
        newest = view.decision.seen.counted + view.decision.seen.late if view else 0
        still_s = 0.0 if newest != counted else still_s + _LOOK_S
        counted = newest
        time.sleep(_LOOK_S)
    return counted
