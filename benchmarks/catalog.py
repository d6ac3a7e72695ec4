"""What a choice among many models costs, and a walk along lineage.

The catalogue is a file of SQLite. Every model has its run, parameters and feature set, every fifth rests on an earlier
model, and all of them rest on one of 200 chains of datasets; every other one is deployed.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from benchmarks.evidence_feed import EvidenceFeed, spec_of
from trimtab.catalog.choice import choose
from trimtab.catalog.entry import Change
from trimtab.catalog.figure import MAX_TIMES, Figure
from trimtab.catalog.node import Node, parse_node
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.view import Snapshot, View
from trimtab.control.models_record import PERIOD_S, Recorder
from trimtab.engine.ledger import Ledger
from trimtab.schemas import release_file
from trimtab.schemas.decision import Arm, Decision, Phase, Seen, SegmentArm
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.preference import ModelChoice

_MODELS: Final = 10_000
_CHAINS: Final = 200
_SEED: Final = 7
_ROUNDS: Final = 25
_DEPTH: Final = 6
_QUERY: Final = ModelChoice(
    where="environment = production and privacy <= internal and licence in (MIT, Apache-2.0) and region = eu"
    " and accuracy >= 0.8 and p99_ms <= 80 and lineage excludes dataset raw-3",
    prefer={"accuracy": 0.7, "p99_ms": 0.2, "cost": 0.1},
)

_VARIANTS: Final = 3
_SEGMENTS: Final = 4
_SECONDS: Final = 600
_RELEASE: Final = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: bench}
spec:
  baseline: v1
  variants:
  - {name: v1, model: {ref: "m1:1"}}
  - {name: v2, model: {ref: "m2:1"}}
  - {name: v3, model: {ref: "m3:1"}}
  strategy: {type: bandit}
"""

Figures = dict[str, object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--models", type=int, default=_MODELS, help="versions of models in the catalogue")


def measure(options: argparse.Namespace) -> Figures:
    """Gives milliseconds: medians and the worst of several rounds."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "catalog.db")
        began_s = time.perf_counter()
        nodes = tuple(_nodes(options.models))
        built_s = time.perf_counter()
        store.write(Change(nodes=nodes, time_s=1))
        written_s = time.perf_counter()
        view = View(store)
        figures = {
            "models": options.models,
            "nodes": len(nodes),
            "build_ms": round((built_s - began_s) * 1000),
            "write_ms": round((written_s - built_s) * 1000),
            "load_ms": round(_ms(view.now)),
            **_choices(store, view),
            **_lineage(store, options.models),
            **_record(store, view),
        }
        store.close()
    return figures


def _choices(store: SqliteStore, view: View) -> Figures:
    now = view.now()
    warm = [_ms(lambda: choose(now, _QUERY)) for _ in range(_ROUNDS)]
    everything = [_ms(lambda: choose(now, ModelChoice())) for _ in range(_ROUNDS)]
    cold = [_ms(lambda: choose(_fresh(now), _QUERY)) for _ in range(5)]
    changed = []
    for at in range(1, 8):
        store.write(Change(figures={ModelRef("model/m1:1"): (Figure(metric="accuracy", value=0.9, time_s=1 + at),)}))
        changed.append(_ms(lambda: choose(view.now(), _QUERY)))
    choice = choose(now, _QUERY)
    began_ns = time.process_time_ns()
    for _ in range(_ROUNDS):
        choose(now, _QUERY)
    cpu_ms = (time.process_time_ns() - began_ns) / 1e6 / _ROUNDS
    return {
        "choose_cpu_ms": round(cpu_ms, 2),
        "choose_ms": round(statistics.median(warm), 2),
        "choose_worst_ms": round(max(warm), 2),
        "choose_all_ms": round(statistics.median(everything), 2),
        "choose_first_ms": round(statistics.median(cold), 2),
        "choose_after_change_ms": round(statistics.median(changed), 1),
        "considered": choice.considered,
        "matched": choice.matched,
        "front": len(choice.front),
    }


def _fresh(now: Snapshot) -> Snapshot:
    """Lets a snapshot forget what it has made of itself, so that it has to walk and to gather anew."""
    now._resting.clear()
    now._columns.clear()
    now._coded.clear()
    return now


def _lineage(store: SqliteStore, models: int) -> Figures:
    last = ModelRef(f"deployment/d{(models - 1) // 2 * 2}")
    down = [_ms(lambda: store.lineage(last, "down", _DEPTH)) for _ in range(_ROUNDS)]
    up = [_ms(lambda: store.lineage(ModelRef("dataset/raw-3"), "up", _DEPTH)) for _ in range(_ROUNDS)]
    return {
        "lineage_ms": round(max(statistics.median(down), statistics.median(up)), 2),
        "lineage_down_ms": round(statistics.median(down), 2),
        "lineage_up_ms": round(statistics.median(up), 2),
        "lineage_up_nodes": len(store.lineage(ModelRef("dataset/raw-3"), "up", _DEPTH).depths),
    }


def _record(store: SqliteStore, view: View) -> Figures:
    """Gives CPU time for what a release of three variants and four segments writes back, after a long history.

    `record_share`: against the CPU time that deciding for it takes meanwhile, with traffic and a decision each second.
    """
    release = release_file.load(_RELEASE, "release")[0]
    recorder = Recorder(store)
    took_ms = []
    for period in range(1, MAX_TIMES + 3 * _ROUNDS):  # time 0 would be the time of writing
        made = _decision(period)
        now = view.now()
        began_ns = time.process_time_ns()
        recorder.record(release, made, now)
        took_ms.append((time.process_time_ns() - began_ns) / 1e6)
    record_ms, second_ms = statistics.mean(took_ms[-2 * _ROUNDS :]), _deciding_ms()
    return {
        "record_cpu_ms": round(record_ms, 2),
        "recorded_figures": _recorded(store),
        "decide_second_cpu_ms": round(second_ms, 3),
        "record_share": round(record_ms / (PERIOD_S * second_ms), 4),
    }


def _deciding_ms() -> float:
    """Gives CPU time in the engine for a second of such a release: a contribution and a decision."""
    spec = spec_of("bench", _VARIANTS, "1s")
    document = json.loads(spec.document)
    document["spec"]["segments"] = [{"name": f"s{at}"} for at in range(_SEGMENTS)]
    ledger = Ledger()
    ledger.advance(0, 0, replace(spec, document=json.dumps(document).encode()))
    took_ms = []
    for append_ms, panes in EvidenceFeed(["bench"], variants=_VARIANTS, segments=_SEGMENTS).records(_SECONDS, 1_000):
        began_ns = time.process_time_ns()
        ledger.advance(ledger.offset + 1, append_ms, panes)
        took_ms.append((time.process_time_ns() - began_ns) / 1e6)
    return statistics.mean(took_ms[_SECONDS // 2 :])


def _recorded(store: SqliteStore) -> int:
    found = [store.entry(ModelRef(f"deployment/bench.v{at}.0-0")).figures for at in range(1, _VARIANTS + 1)]
    return sum(map(len, found))


def _decision(period: int) -> Decision:
    segment = SegmentArm(
        weight=2_500, trials=50, reward_sum=20.0, requests=60, responses=60, errors=1, error_ratio=0.02, p50_ms=8.0,
        p99_ms=30.0,
    )  # fmt: skip
    arms = [
        Arm(
            variant=f"v{at}", weight=3_333, trials=200, reward_sum=90.0, alpha=91.0, beta=111.0, mean=0.45,
            probability_best=0.3, requests=240, responses=240, errors=4, in_flight=0, error_ratio=0.02, p50_ms=8.0,
            p99_ms=30.0 + period, segments=dict.fromkeys(("eu", "us", "ap", "rest"), segment),
        )
        for at in range(1, _VARIANTS + 1)
    ]  # fmt: skip
    return Decision(
        release="bench", era=1, revision=period + 1, replaces=(1, period), time_ms=period * PERIOD_S * 1_000,
        phase=Phase.PROGRESSING, strategy="bandit", weights={arm.variant: arm.weight for arm in arms}, rule="",
        reasons=[], arms=arms, assessments=[],
        seen=Seen(offset=period, sources={}, counted=0, late=0, dead_lettered=0),
    )  # fmt: skip


def _ms(step: Callable[[], object]) -> float:
    began_ns = time.perf_counter_ns()
    step()
    return (time.perf_counter_ns() - began_ns) / 1e6


def _nodes(models: int) -> Iterator[Node]:
    rng = random.Random(_SEED)
    yield parse_node({"kind": "project", "name": "bench"})
    for at in range(_CHAINS):
        yield parse_node({"kind": "dataset", "name": f"raw-{at}", "restsOn": ["project/bench"]})
        yield parse_node({"kind": "dataset", "name": f"clean-{at}", "restsOn": [f"dataset/raw-{at}"]})
    for at in range(models):
        yield from _of_a_model(at, rng)


def _of_a_model(at: int, rng: random.Random) -> Iterator[Node]:
    chain = rng.randrange(_CHAINS)
    earlier = [f"model/m{rng.randrange(at)}:1"] if at and at % 5 == 0 else []
    yield parse_node({"kind": "featureset", "name": f"f{at}", "restsOn": [f"dataset/clean-{chain}"]})
    yield parse_node({"kind": "parameters", "name": f"p{at}", "values": {"depth": at % 9}})
    reads = [f"featureset/f{at}", f"parameters/p{at}", *earlier]
    yield parse_node({"kind": "run", "name": f"r{at}", "restsOn": reads})
    yield parse_node(
        {
            "kind": "model", "name": f"m{at}", "version": "1", "restsOn": [f"run/r{at}"], "blessed": at % 2 == 0,
            "environment": rng.choice([["production", "staging"], ["production"], ["staging"]]),
            "region": rng.choice([["eu"], ["eu", "us"], ["us"]]),
            "licence": rng.choice(["MIT", "Apache-2.0", "GPL-3.0"]),
            "privacy": rng.choice(["public", "internal", "confidential"]),
            "performance": {
                "accuracy": rng.uniform(0.5, 1), "p99_ms": rng.lognormvariate(3, 1), "cost": rng.uniform(1, 9),
            },
        }
    )  # fmt: skip
    if at % 2 == 0:
        yield parse_node(
            {"kind": "deployment", "name": f"d{at}", "restsOn": [f"model/m{at}:1"], "release": "r", "variant": f"v{at}"}
        )
