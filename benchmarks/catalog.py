"""What a choice among many models costs, and a walk along lineage.

The catalogue is a file of SQLite. Every model has its run, parameters and feature set, every fifth rests on an earlier
model, and all of them rest on one of 200 chains of datasets; every other one is deployed.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from trimtab.catalog.choice import choose
from trimtab.catalog.entry import Change
from trimtab.catalog.figure import Figure
from trimtab.catalog.node import Node, parse_node
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.view import Snapshot, View
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
            **_lineage(store),
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
    return {
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


def _lineage(store: SqliteStore) -> Figures:
    down = [_ms(lambda: store.lineage(ModelRef("deployment/d9998"), "down", _DEPTH)) for _ in range(_ROUNDS)]
    up = [_ms(lambda: store.lineage(ModelRef("dataset/raw-3"), "up", _DEPTH)) for _ in range(_ROUNDS)]
    return {
        "lineage_ms": round(max(statistics.median(down), statistics.median(up)), 2),
        "lineage_down_ms": round(statistics.median(down), 2),
        "lineage_up_ms": round(statistics.median(up), 2),
        "lineage_up_nodes": len(store.lineage(ModelRef("dataset/raw-3"), "up", _DEPTH).depths),
    }


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
