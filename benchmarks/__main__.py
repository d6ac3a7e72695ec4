"""`python -m benchmarks NAME [--json]`: measures one thing in one run, and ends with one JSON object."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Final

from benchmarks import (
    api,
    catalog,
    cli,
    decide,
    evidence,
    gates,
    labels,
    latency,
    mutants,
    regret,
    scale,
    sidecar,
    soak,
    throughput,
    winner,
)

Figures = Mapping[str, object]

_BENCHMARKS: Final[
    Mapping[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Figures]]]
] = {
    "api": (api.add_options, api.measure),
    "catalog": (catalog.add_options, catalog.measure),
    "cli": (cli.add_options, cli.measure),
    "decide": (decide.add_options, decide.measure),
    "evidence": (evidence.add_options, evidence.measure),
    "gates": (gates.add_options, gates.measure),
    "labels": (labels.add_options, labels.measure),
    "latency": (latency.add_options, latency.measure),
    "mutants": (mutants.add_options, mutants.measure),
    "regret": (regret.add_options, regret.measure),
    "scale": (scale.add_options, scale.measure),
    "sidecar": (sidecar.add_options, sidecar.measure),
    "soak": (soak.add_options, soak.measure),
    "throughput": (throughput.add_options, throughput.measure),
    "winner": (winner.add_options, winner.measure),
}


def main() -> int:
    """Runs the benchmark that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True)
    for name, (add_options, measure) in _BENCHMARKS.items():
        one = names.add_parser(name, help=(sys.modules[measure.__module__].__doc__ or "").splitlines()[0])
        one.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
        add_options(one)
    arguments = parser.parse_args()
    figures = _BENCHMARKS[arguments.name][1](arguments)
    if not arguments.json:
        for field, value in figures.items():
            print(f"{field:24} {value}")
    print(json.dumps({"benchmark": arguments.name, **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
