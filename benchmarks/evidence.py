"""What it costs to keep the evidence of releases: memory of one, and time to merge, to look and to snapshot."""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from trimtab.engine.contribution import PaneContent, PaneRow
from trimtab.engine.evidence import Evidence
from trimtab.engine.sketch import buckets_of
from trimtab.engine.window import USUAL_MS, Keep
from trimtab.schemas.evidence import ALWAYS, PaneKey

_START_S: Final = 1_700_000_000
_VARIANTS: Final = ("stable", "canary", "next")
_SEGMENTS: Final = ("eu", "us", "asia", "africa")
_HOUR_MS: Final = 3_600_000
_LATENCY_MS, _SPREAD, _SLOW_RATIO = 40.0, 0.5, 0.01
_FINE_S: Final = 330
_WEIGHED: Final = 6


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what can be chosen."""
    parser.add_argument("--releases", type=int, default=1_000, help="releases whose merging is timed")
    parser.add_argument("--seconds", type=int, default=20, help="seconds of event time of which that is")
    parser.add_argument("--rate", type=int, default=300, help="responses a second of the release that is weighed")


def measure(options: argparse.Namespace) -> Mapping[str, object]:
    """Gives the figures. Memory is of 3 variants in 4 segments, with the usual windows and one of an hour, filled."""
    by_segment = Keep(lengths_ms=(*USUAL_MS, _HOUR_MS), segments=_SEGMENTS)
    return {
        "release_kib": _kib(by_segment, options.rate),
        "release_kib_10x_traffic": _kib(by_segment, 10 * options.rate),
        "release_kib_hour_only": _kib(Keep(lengths_ms=(_HOUR_MS,), segments=_SEGMENTS), options.rate),
        "release_kib_usual": _kib(Keep(), options.rate),
        "rate": options.rate,
        **_times(options.releases, options.seconds, Keep(), ("",)),
        **{f"segments_{name}": us for name, us in _times(
            options.releases // 10, options.seconds, by_segment, _SEGMENTS
        ).items()},
    }  # fmt: skip


def _kib(keep: Keep, rate: int) -> float:
    """Gives the memory of the evidence of one release after an hour and more, with every kind of window looked at."""
    rng = np.random.default_rng(1)
    each = rate // (len(_VARIANTS) * len(_SEGMENTS))
    _run([Evidence(_VARIANTS, {}, keep)], rng, each)
    gc.collect()
    tracemalloc.start()
    kept = [Evidence(_VARIANTS, {}, keep) for _ in range(_WEIGHED)]
    _run(kept, rng, each)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return round(size / 1024 / _WEIGHED, 1)


def _run(kept: Sequence[Evidence], rng: np.random.Generator, each: int) -> None:
    """Lets an hour pass, at first in steps of 10 s with ten times as much in them."""
    end_s = _START_S + _HOUR_MS // 1000
    for second, amount in (
        *((second, 10 * each) for second in range(_START_S, end_s, 10)),
        *((second, each) for second in range(end_s, end_s + _FINE_S)),
    ):
        for evidence in kept:
            rows = list(_rows(rng, _SEGMENTS, second, amount))
            evidence.merge(0, second, second - 2, rows, second)
            for variant in _VARIANTS:
                for length_ms in evidence.keep.lengths_ms:
                    evidence.window(variant, length_ms).latency.quantile_ms(0.99)


def _rows(rng: np.random.Generator, segments: Sequence[str], second: int, each: int) -> Iterator[PaneRow]:
    for variant in _VARIANTS:
        for segment in segments:
            yield PaneRow(PaneKey("checkout", variant, segment), second, second, _content(rng, each))


def _content(rng: np.random.Generator, n: int) -> PaneContent:
    durations_us = 1000 * _LATENCY_MS * rng.lognormal(0.0, _SPREAD, n)
    durations_us[rng.random(n) < _SLOW_RATIO] *= 20
    buckets, counts = np.unique(buckets_of(durations_us.astype(np.uint32)), return_counts=True)
    cells = {
        "requests": n,
        "responses": n,
        "errors": n // 100,
        "duration_us": int(durations_us.sum()),
        "bytes": 900 * n,
    }
    return PaneContent(
        np.array([cells.get(name, 0) for name in ALWAYS], dtype="<i8").tobytes(),
        buckets.astype("<u2").tobytes(),
        counts.astype("<u4").tobytes(),
        {},
    )


def _times(releases: int, seconds: int, keep: Keep, segments: Sequence[str]) -> dict[str, float]:
    """Gives microseconds: to merge a pane, to look at two windows of a variant once a second, and for a snapshot."""
    rng = np.random.default_rng(2)
    kept = [Evidence(_VARIANTS, {}, keep) for _ in range(releases)]
    merging_s, looking_s, snapshot_s = [], [], []
    for second in range(_START_S, _START_S + seconds):
        rows = list(_rows(rng, segments, second, 20))
        began = time.process_time()
        for evidence in kept:
            evidence.merge(0, second, second - 2, rows, second)
        merged = time.process_time()
        for evidence in kept:
            _look(evidence)
        looked = time.process_time()
        for evidence in kept:
            evidence.snapshot()
        merging_s.append(merged - began)
        looking_s.append(looked - merged)
        snapshot_s.append(time.process_time() - looked)
    panes = releases * len(_VARIANTS) * len(segments)
    return {
        "merge_us_per_pane": round(1e6 * float(np.median(merging_s)) / panes, 2),
        "look_us_per_variant": round(1e6 * float(np.median(looking_s)) / (releases * len(_VARIANTS)), 1),
        "snapshot_us_per_release": round(1e6 * float(np.median(snapshot_s)) / releases, 1),
    }


def _look(evidence: Evidence) -> int:
    """Looks at what decisions look at: counts, and two windows of each variant."""
    seen = evidence.counted
    for variant in _VARIANTS:
        for length_ms in (10_000, 60_000):
            window = evidence.window(variant, length_ms)
            seen += window.errors
            window.latency.quantile_ms(0.99)
    return seen
