"""What a decision costs in the engine: P(best), a whole decision, the fold of events, the sketch, and memory.

`record_and_decision5_us` is what a record costs that brings the newest content of the panes of five variants and makes
a decision due: from `Ledger.advance` to its effects. `record5_us` is what it costs where none is due: reading and
merging it. `decision5_us` is their difference: posteriors, guardrails, strategy, allocation, and the account of it all.
`stage_us` says where that goes: each stage is measured by itself on the same evidence, and `rest` is what they leave.
"""

import argparse
import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable
from itertools import cycle
from typing import Final

import msgspec
import numpy as np

from benchmarks.best_cases import ARMS, by_brute_force, cases
from benchmarks.evidence_feed import EvidenceFeed, rows_of_responses, spec_of
from benchmarks.stopwatch import us_per_call, us_per_item
from trimtab.engine.allocation import Bounds, allocate
from trimtab.engine.batch import Message
from trimtab.engine.best import probability_best
from trimtab.engine.contribution import rows_of
from trimtab.engine.evidence import Evidence
from trimtab.engine.guard import Guard, keep_of
from trimtab.engine.ledger import Effects, Ledger
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.engine.posterior import Beta
from trimtab.engine.sketch import Sketch
from trimtab.engine.window import Keep
from trimtab.schemas.evidence import Panes, Record, Tick
from trimtab.schemas.release import parse_document
from trimtab.schemas.telemetry import Packer, RoutingKey
from trimtab.schemas.telemetry_message import decode, encode

_DECISIONS: Final = 2_100
_NAME: Final = "checkout"
_EVENTS: Final = 500
_MESSAGES: Final = 200
_READ: Final = 20
"""messages that are read, and emitted, together"""
_FEW: Final = 10
_MANY: Final = 10_000
_HOUR_S: Final = 3_600
_SEGMENTS: Final = 4
_REPEATS: Final = 31
_PACED_REPEATS: Final = 3
_YOUNG_S: Final = 7
_GC_THRESHOLDS: Final = (50_000, 20, 20)
"""As a worker has them."""

Figures = dict[str, object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--many", type=int, default=_MANY, help="releases that are compared with ten")
    parser.add_argument("--seconds", type=int, default=_HOUR_S, help="of traffic that a release's memory is read after")


def measure(options: argparse.Namespace) -> Figures:
    """Gives microseconds and nanoseconds of each step, KiB of a release, and what many releases cost against ten."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    return {
        **_best(),
        **_decision(),
        **_fold(),
        **_sketch(),
        **_memory(options.seconds),
        **_growth(options.many),
    }


def _best() -> Figures:
    known = cases()
    errors = [np.abs(probability_best(case) - by_brute_force(case)) for case in known]
    turns = cycle(known)
    return {
        "pbest5_us": round(us_per_call(lambda: probability_best(next(turns)), 7_000), 2),
        "pbest5_max_error": float(f"{max(error.max() for error in errors):.2g}"),
        "pbest5_mean_error": float(f"{np.mean([error.mean() for error in errors]):.2g}"),
        "pbest5_cases": len(known),
    }


def _decision() -> Figures:
    records = list(EvidenceFeed([_NAME], variants=ARMS).records(_DECISIONS, 100))
    decided = us_per_item(_advancing(Ledger(), "100ms"), records)
    merged = us_per_item(_advancing(Ledger(), "1h"), records)
    stages = _stages([panes for _, panes in records])
    rest = decided - merged - sum(stages.values())
    return {
        "decision5_us": round(decided - merged, 1),
        "record5_us": round(merged, 1),
        "record_and_decision5_us": round(decided, 1),
        "stage_us": {name: round(took, 1) for name, took in (*stages.items(), ("rest", rest))},
    }


def _advancing(ledger: Ledger, interval: str) -> Callable[[tuple[int, Record]], object]:
    """Gives what takes records with their append time into a ledger of one release."""
    _take(ledger, (0, spec_of(_NAME, ARMS, interval)))
    return lambda record: _take(ledger, record)


def _stages(records: list[Panes]) -> dict[str, float]:
    spec = parse_document(spec_of(_NAME, ARMS, "100ms").document).spec
    names = [variant.name for variant in spec.variants]
    evidence = Evidence(names, {}, keep_of(spec))
    guard = Guard(spec, evidence)
    for panes in records:
        evidence.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), panes.final_s + 2)
    totals = evidence.totals
    posteriors = [Beta(1.0 + totals[name].responses - totals[name].errors, 1.0 + totals[name].errors) for name in names]
    now_s = records[-1].final_s + 2
    guard.close(now_s)
    bounds = [Bounds(100, 10_000)] * ARMS
    wish, now = probability_best(posteriors).tolist(), [2_000] * ARMS
    return {
        "posteriors_and_best": us_per_call(lambda: probability_best(posteriors).tolist(), 2_100),
        "assess": us_per_call(lambda: guard.assess(names, now_s), 2_100),
        "allocate": us_per_call(lambda: allocate(wish, now, bounds, 2_000), 2_100),
    }


def _fold() -> Figures:
    columns = _column_payloads()
    rows = [rows_of_responses(_EVENTS, 3, seed) for seed in range(_READ)]
    as_json = [msgspec.json.encode({"publisher": "p", "events": events}) for events in rows]
    as_message_pack = [msgspec.msgpack.encode({"publisher": "p", "events": events}) for events in rows]
    figures = {
        name: round(_fold_us(payloads), 3)
        for name, payloads in (
            ("fold_columns_us_per_event", columns),
            ("fold_json_rows_us_per_event", as_json),
            ("fold_message_pack_rows_us_per_event", as_message_pack),
        )
    }
    slower = max(figures["fold_json_rows_us_per_event"], figures["fold_message_pack_rows_us_per_event"])
    return {**figures, "fold_rows_us_per_event": slower}


def _column_payloads() -> list[bytes]:
    keys = [RoutingKey(_NAME, f"v{variant}", "eu", 1, 7) for variant in range(3)]
    payloads = []
    for seed in range(_READ):
        packer = Packer()
        for row in rows_of_responses(_EVENTS, 3, seed):
            number = int(str(row["variant"])[1:])
            packer.response(keys[number], _whole(row["time_ms"]), _real(row["duration_ms"]), _whole(row["status"]))
        payloads.append(encode(packer.finish(publisher="p", seq=seed, sent_ms=0)))
    return payloads


def _whole(cell: object) -> int:
    return int(str(cell))


def _real(cell: object) -> float:
    return float(str(cell))


def _fold_us(payloads: list[bytes]) -> float:
    """Gives what an event costs from its message's bytes to the record that its pane goes out with."""
    builder = PaneBuilder(0, FoldSpec(), lambda _: 0)
    first = decode(payloads[0])
    append_ms = first.base_ms + 100

    def fold(_: int) -> None:
        start = builder.next_offset
        builder.update_all(Message(start + at, append_ms, decode(payload)) for at, payload in enumerate(payloads))
        builder.emit()

    return us_per_item(fold, range(_MESSAGES // 2)) / (len(payloads) * _EVENTS)


def _sketch() -> Figures:
    rng = np.random.default_rng(3)
    durations = (rng.lognormal(np.log(20_000), 0.6, _EVENTS * 40)).astype(np.uint32).reshape(-1, _EVENTS)
    sketch, turns = Sketch(), cycle(durations)

    values_ns = us_per_call(lambda: sketch.update(next(turns)), 2_100) / _EVENTS * 1000
    other = Sketch.restore(sketch.snapshot())
    return {
        "sketch_ns_per_value": round(values_ns, 1),
        "merge_us": round(us_per_call(lambda: sketch.merge(other), 7_000), 2),
    }


def _memory(seconds: int) -> Figures:
    """Gives what a release of three variants and four segments holds after an hour of traffic, second by second.

    As its file keeps it where it says nothing of windows; and its evidence alone, with windows up to an hour, of each
    segment too.
    """
    return {
        "release_kib": round(_kib(lambda: _fed(seconds)), 1),
        "evidence_1h_kib": round(_kib(lambda: _gathered(seconds)), 1),
    }


def _kib(build: Callable[[], object]) -> float:
    build()  # so that what is made once only is made already
    gc.collect()
    tracemalloc.start()
    built = build()
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del built
    return held / 1024


def _gathered(seconds: int) -> Evidence:
    keep = Keep(lengths_ms=(10_000, 60_000, 300_000, 3_600_000), segments=tuple(f"s{at}" for at in range(_SEGMENTS)))
    names = [f"v{at}" for at in range(3)]
    evidence = Evidence(names, {}, keep)
    for append_ms, panes in _feed().records(seconds, 1_000):
        evidence.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), append_ms // 1000)
        for name in names:  # as a decision does
            evidence.window(name, 60_000)
    return evidence


def _feed() -> EvidenceFeed:
    return EvidenceFeed([_NAME], variants=3, segments=_SEGMENTS, events=10)


def _fed(seconds: int) -> Ledger:
    ledger = Ledger()
    _take(ledger, (0, spec_of(_NAME, 3, "1s")))
    for record in _feed().records(seconds, 1_000):
        _take(ledger, record)
    return ledger


def _growth(many: int) -> Figures:
    """Gives what a second of a release costs among many, against one among ten.

    As in a worker the seconds of ten begin a second apart: what they need is not in the processor's caches any more
    when the next one begins. Those of many follow each other, for they take longer than that. `at_once`: the seconds of
    ten follow each other, too, so that all they need stays in the caches, which no worker has.
    """
    at_once = [_per_release_us(_FEW) for _ in range(_REPEATS)]
    at_once_us, quiet_us = (statistics.median(one) for one in zip(*at_once, strict=True))
    few_us = statistics.median(_per_release_us(_FEW, apart_s=1.0)[0] for _ in range(_PACED_REPEATS))
    many_us, many_quiet_us = _per_release_us(many)
    return {
        f"cost_{many}_vs_{_FEW}": round(many_us / few_us, 2),
        f"cost_{many}_vs_{_FEW}_at_once": round(many_us / at_once_us, 2),
        f"release_second_us_{_FEW}": round(few_us, 1),
        f"release_second_us_{_FEW}_at_once": round(at_once_us, 1),
        f"release_second_us_{many}": round(many_us, 1),
        f"quiet_release_second_us_{_FEW}": round(quiet_us, 2),
        f"quiet_release_second_us_{many}": round(many_quiet_us, 2),
    }


def _per_release_us(releases: int, apart_s: float = 0.0) -> tuple[float, float]:
    """Gives what a second of a release costs, with a contribution and a decision, and what one without events does.

    The median over seconds, of a release that is as young here as there: its windows fill up alike. `apart_s`: how long
    after one second the next one with events begins.
    """
    names = [f"release-{number}" for number in range(releases)]
    ledger = Ledger()
    for name in names:
        _take(ledger, (0, spec_of(name, 3, "1s")))
    records: dict[int, list[tuple[int, Record]]] = {}
    for record in EvidenceFeed(names, variants=3, events=1).records(_YOUNG_S, 1_000):
        records.setdefault(record[0], []).append(record)
    gc.collect()
    busy_us = []
    for second in records.values():
        time.sleep(apart_s)
        busy_us.append(_second_us(ledger, second))
    quiet_ms = max(records) + 10_000
    quiet_us = [_second_us(ledger, [(quiet_ms + 1_000 * at, Tick())]) for at in range(_YOUNG_S)]
    return statistics.median(busy_us) / releases, statistics.median(quiet_us) / releases


def _second_us(ledger: Ledger, records: list[tuple[int, Record]]) -> float:
    began_ns = time.perf_counter_ns()
    for record in records:
        _take(ledger, record)
    return (time.perf_counter_ns() - began_ns) / 1000


def _take(ledger: Ledger, record: tuple[int, Record]) -> Effects:
    return ledger.advance(ledger.offset + 1, *record)
