"""What many releases cost, and what a second worker brings.

100,000 events/s in all, spread over 1, 100 and 1,000 releases of three variants each: CPU seconds of the worker per
million events in a steady state. Then a backlog, worked off by one worker and by two.
"""

import argparse
import os
import signal
import time
from typing import Final

from benchmarks.feed import VARIANTS, release_name
from benchmarks.process import cpu_s
from benchmarks.rig import READY_S, Rig
from trimtab.control.apply import publish
from trimtab.control.release_view import Releases
from trimtab.schemas.release import Release
from trimtab.streams.backend import Backend

_RATE: Final = 100_000
_RELEASES: Final = (1, 100, 1_000)
_WARM_UP_S: Final = 15.0
_PARTITIONS: Final = 4
_BACKLOG: Final = 8_000_000
_LOOK_S: Final = 0.05


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.LOCAL)
    parser.add_argument("--seconds", type=float, default=30.0, help="of steady state for each number of releases")


def measure(options: argparse.Namespace) -> dict[str, str | int | float]:
    """Gives CPU seconds per million events by number of releases, and their ratios to a single one."""
    figures: dict[str, str | int | float] = {"backend": options.backend, "rate": _RATE}
    costs = {releases: _cost(options.backend, releases, options.seconds) for releases in _RELEASES}
    for releases, (cost, behind_ms) in costs.items():
        figures[f"cpu_s_per_million_{releases}"] = round(cost, 3)
        figures[f"behind_ms_{releases}"] = behind_ms
        if releases > 1:
            figures[f"cpu_{releases}_vs_1_releases"] = round(cost / costs[1][0], 2)
    one, one_cost = _catch_up(options.backend, 1)
    two, two_cost = _catch_up(options.backend, 2)
    figures["two_workers_vs_one"] = round(two / one, 2)
    figures["cpu_two_workers_vs_one"] = round(two_cost / one_cost, 2)
    figures["cores"] = os.cpu_count() or 0
    return figures


def _catch_up(backend: Backend, workers: int) -> tuple[float, float]:
    """Gives the events per second at which workers work a backlog off, and their CPU seconds per million events.

    They wait, frozen, until each of them has its partitions and the backlog is there.
    """
    with Rig(backend) as rig:
        started = [rig.start_worker() for _ in range(workers)]
        publish([release_of(0)], kafka=rig.kafka, wait_s=READY_S)
        time.sleep(_WARM_UP_S)
        for worker in started:
            worker.send_signal(signal.SIGSTOP)
        feed = rig.spawn("feed", "-m", "benchmarks.feed", rig.kafka, *map(str, (_BACKLOG, 1, 1, _PARTITIONS)))
        feed.await_line("sent", READY_S)
        before = sum(cpu_s(worker.pid) for worker in started)
        for worker in started:
            worker.send_signal(signal.SIGCONT)
        began_s = time.monotonic()
        _await_counted(rig.redis, _BACKLOG)
        took_s = time.monotonic() - began_s
        return _BACKLOG / took_s, (sum(cpu_s(worker.pid) for worker in started) - before) / _BACKLOG * 1e6


def _await_counted(redis: str, events: int) -> None:
    releases, end_s = Releases(redis), time.monotonic() + READY_S
    while (view := releases.get(release_name(0))) is None or view.decision.seen.counted < events:
        if time.monotonic() > end_s:
            raise TimeoutError(f"{events} events expected, seen: {view and view.decision.seen}")
        time.sleep(_LOOK_S)


def _cost(backend: Backend, releases: int, seconds: float) -> tuple[float, int]:
    """Gives the worker's CPU seconds per million events, and how old its newest decision was in the end."""
    with Rig(backend) as rig:
        worker = rig.start_worker()
        publish([release_of(number) for number in range(releases)], kafka=rig.kafka, wait_s=READY_S)
        total_s = _WARM_UP_S + seconds + 1
        feed = rig.spawn(
            "feed", "-m", "benchmarks.feed", rig.kafka, *map(str, (_RATE, int(total_s), releases, _PARTITIONS))
        )
        feed.await_line("feeding", READY_S)
        time.sleep(_WARM_UP_S)
        before, started_s = cpu_s(worker.pid), time.monotonic()
        time.sleep(seconds)
        spent, took_s = cpu_s(worker.pid) - before, time.monotonic() - started_s
        behind_ms = int(time.time() * 1000) - _newest_ms(rig.redis, releases)
        feed.await_line("sent", READY_S)
        return spent / (took_s * _RATE) * 1e6, behind_ms


def _newest_ms(redis: str, releases: int) -> int:
    """Gives when the release that was decided on least recently was."""
    view = Releases(redis)
    found = [view.get(release_name(number)) for number in range(0, releases, max(1, releases // 10))]
    return min(one.decision.time_ms if one else 0 for one in found)


def release_of(number: int) -> Release:
    """Gives a canary in a long hold, with guardrails on errors and latency."""
    return Release.model_validate(
        {
            "apiVersion": "trimtab.dev/v1",
            "kind": "Release",
            "metadata": {"name": release_name(number)},
            "spec": {
                "baseline": VARIANTS[0],
                "variants": [{"name": name} for name in VARIANTS],
                "guardrails": [{"metric": "error_rate", "max": 0.5}, {"metric": "latency_p99_ms", "max": 5000}],
                "strategy": {"type": "canary", "steps": [1000, 5000], "hold": "1h"},
            },
        }
    )
