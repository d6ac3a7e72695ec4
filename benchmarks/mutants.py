"""Which small faults in guardrails, gates and allocation no test notices.

Every mutant of these modules (`benchmarks/mutation.py` says of which kinds) meets the tests that concern its module;
one that passes them all has survived. `survivors.toml` explains, one by one, why a survivor is no fault: a survivor
without an explanation fails the run, and so does an explanation without a survivor.
"""

import argparse
import json
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_SURVIVORS: Final = _HERE / "survivors.toml"

_KNOWN, _EVERY = "sequential/test_known_evidence", "sequential/test_every_test"

TESTS: Final[Mapping[str, Sequence[str]]] = {
    "allocation.py": ("test_allocation", "doctests"),
    "movement.py": ("test_movement", "test_canary", "test_commands", "test_limits", "test_ranges"),
    "segment_weights.py": ("doctests", "test_segment_moves"),
    "strategy/ab_test.py": ("test_strategy_rules", "test_strategies"),
    "strategy/bandit.py": ("test_strategy_rules", "test_strategies"),
    "strategy/blue_green.py": ("test_strategy_rules", "test_strategies"),
    "strategy/canary.py": ("test_strategy_rules", "test_strategies"),
    "strategy/choice.py": ("test_strategy_rules", "test_strategies"),
    "strategy/ensemble.py": ("test_strategy_rules", "test_ensemble"),
    "strategy/shadow.py": ("test_strategy_rules", "test_strategies"),
    "strategy/situation.py": ("test_strategy_rules", "test_strategies", "test_movement"),
    "strategy/steps.py": ("doctests", "test_strategy_rules", "test_strategies", "test_limits"),
    "policy/hedge.py": ("doctests", "policy/test_hedge", "test_ensemble"),
    "sequential/budget.py": ("doctests", _KNOWN, "sequential/test_budget", _EVERY),
    "sequential/comparison.py": ("doctests", _KNOWN, "sequential/test_comparison", _EVERY),
    "sequential/conclusion.py": ("doctests", "sequential/test_conclusion"),
    "sequential/family.py": ("doctests", "sequential/test_family"),
    "sequential/hypergeometric.py": (_KNOWN, "sequential/test_hypergeometric", "sequential/test_comparison"),
    "sequential/latency.py": ("doctests", _KNOWN, "sequential/test_latency", _EVERY),
    "sequential/look.py": (_KNOWN, "sequential/test_look", _EVERY),
    "sequential/mean.py": ("doctests", _KNOWN, "sequential/test_mean", _EVERY),
    "sequential/mixture.py": ("doctests", _KNOWN, "sequential/test_mixture", _EVERY),
    "sequential/moments.py": ("doctests", _KNOWN, "sequential/test_moments"),
    "sequential/odds.py": ("doctests", "sequential/test_odds", _KNOWN),
    "sequential/sample_ratio.py": ("doctests", _KNOWN, "sequential/test_sample_ratio", _EVERY),
    "sequential/starts.py": (_KNOWN, "sequential/test_starts"),
    "sequential/succession.py": ("doctests", _KNOWN, "sequential/test_succession", _EVERY),
    "bound.py": ("test_bound", "test_guard", "test_snapshot"),
    "confirmation.py": ("test_confirmation",),
    "guard.py": ("test_guard_looks", "test_guard", "test_replay"),
    "metric_rail.py": ("test_rail_kinds", "test_user_metrics"),
    "rail.py": ("test_rail_kinds", "test_rail", "test_guard"),
    "ratio_guard.py": ("test_ratio_guard", "test_sample_ratio_guard", "test_request_book"),
    "reaction.py": ("test_reaction", "test_sizing"),
    "reaction_guard.py": ("test_reaction_guard",),
    "shown.py": ("test_shown", "test_guard"),
}
"""module of the engine -> the tests that concern it, below `tests/engine`; `doctests` are its own examples"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--modules", nargs="+", choices=TESTS, default=list(TESTS), metavar="MODULE", help="of these")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name has this in it")
    parser.add_argument("--workers", type=int, default=2, help="how many run at a time")


def measure(arguments: argparse.Namespace) -> Mapping[str, object]:
    """Runs every mutant. Ends the program with 1 where a survivor is not explained, or an explanation is of none."""
    began_s = time.monotonic()
    fates, survivors = Counter[str](), set[tuple[str, str]]()
    for module in arguments.modules:
        for name, fate in _fates(module, arguments):
            fates[fate] += 1
            if fate == "survived":
                survivors.add((module, name))
    explained = {place for place in _explained() if place[0] in arguments.modules and arguments.only in place[1]}
    open_ends = [f"{module}: not explained: {name}" for module, name in sorted(survivors - explained)]
    open_ends += [
        f"{module}: explained, but it is killed or is not made: {name}"
        for module, name in sorted(explained - survivors)
    ]
    if open_ends:
        sys.exit("\n".join(open_ends))
    return {
        "mutants": fates.total(), "killed": fates["killed"] + fates["too slow"], "too_slow": fates["too slow"],
        "explained": len(explained), "took_s": round(time.monotonic() - began_s),
    }  # fmt: skip


def _fates(module: str, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Gives the name of each mutant of a module and what became of it."""
    task = {"module": module, "tests": _paths(module), "only": arguments.only, "workers": arguments.workers}
    command = [sys.executable, "-m", "benchmarks.mutant_run", json.dumps(task)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_HERE.parent) as running:
        assert running.stdout is not None  # noqa: S101 - it is a pipe, as asked for
        for line in running.stdout:
            fact = json.loads(line)
            if "mutant" in fact:
                yield fact["mutant"], fact["fate"]
                if fact["fate"] == "survived" and not arguments.json:
                    print(f"survived: {module}: {fact['mutant']}", flush=True)
            elif not arguments.json:
                print(f"{module}: {fact['count']} mutants, tests take {fact['tests_s']} s", flush=True)
    if running.returncode:
        sys.exit(f"{module}: its run ended with {running.returncode}")


def _paths(module: str) -> list[str]:
    name = "trimtab.engine." + module.removesuffix(".py").replace("/", ".")
    doctests = f"test_doctests.py::test_the_examples_of_a_module_are_true[{name}]"
    return [f"tests/engine/{doctests if test == 'doctests' else test + '.py'}" for test in TESTS[module]]


def _explained() -> set[tuple[str, str]]:
    entries = tomllib.loads(_SURVIVORS.read_text())["survivor"]
    return {(entry["module"], entry["mutant"]) for entry in entries if entry["why"].strip()}
