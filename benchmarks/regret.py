"""The regret of the policy `adaptive`, beside Thompson sampling, River, MABWiser and the Lai-Robbins bound.

Eleven public problems, batches of 1,000 and 100 events, with delay, with noise beyond the binomial, with very high
traffic; `--families` adds random problems of eleven kinds, which nothing was fitted to.
"""

import argparse
import functools
import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.regret_environment import peers_python
from benchmarks.regret_families import family_figures
from benchmarks.regret_problems import MOVING, STATIONARY, Problem, lai_robbins, public
from benchmarks.regret_rivals import Thompson
from benchmarks.regret_run import Adaptives, mean_regret

_RUNS: Final = 200
_RUNS_SMALL: Final = 20
"""Of batches of 100 events, ten times as many decisions, and of very high traffic."""
_RUNS_PEERS: Final = 4
_DELAY: Final = 10
_NOISY: Final = ("S1", "S3", "S4", "S6")
_VARIANCE: Final = 3.0
_PROMPT_BATCH: Final = 20
_HUGE_BATCH: Final = 100_000

Regrets = Mapping[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what can be chosen."""
    parser.add_argument("--families", action="store_true", help="also random problems of eleven kinds")
    parser.add_argument("--seeds", default="0-7", metavar="FIRST-LAST", help="of the random problems (default: 0-7)")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Runs everything; nothing in it is random but by fixed seeds."""
    peers = _peers(1000, by_event=False)
    prompt_peers = _peers(1000, by_event=True)
    names = (*STATIONARY, *MOVING)
    ours, thompson = _both((public(name) for name in names), _RUNS)
    small, _ = _both((public(name, 100) for name in STATIONARY), _RUNS_SMALL)
    late, _ = _both((public(name, delay=_DELAY) for name in STATIONARY), _RUNS)
    dispersion = (_VARIANCE - 1.0) / 999.0
    noisy = _both((public(name, dispersion=dispersion) for name in _NOISY), _RUNS)
    huge = _both((public(name, _HUGE_BATCH, batches=100) for name in (*_NOISY, *MOVING)), _RUNS_SMALL)
    prompt, _ = _both((public(name, _PROMPT_BATCH) for name in ("N1", "N2")), _RUNS_PEERS)
    bounds = {name: lai_robbins(name) for name in STATIONARY}
    figures: dict[str, object] = {
        "s_geo_vs_lai_robbins": _geometric(ours[name] / bounds[name] for name in STATIONARY),
        "s_max_vs_lai_robbins": max(ours[name] / bounds[name] for name in STATIONARY),
        "n1_vs_best_peer": ours["N1"] / _best(peers()["N1"]),
        "n2_vs_best_peer": ours["N2"] / _best(peers()["N2"]),
        "n4_vs_thompson": ours["N4"] / thompson["N4"],
        "n5_vs_thompson": ours["N5"] / thompson["N5"],
        "delay_ratio": max(late[name] / (ours[name] + _blind(name)) for name in STATIONARY),
        "b100_s_geo_vs_lai_robbins": _geometric(small[name] / bounds[name] for name in STATIONARY),
        "noisy_vs_thompson": _geometric(noisy[0][name] / noisy[1][name] for name in _NOISY),
        "high_traffic_vs_thompson": _geometric(huge[0][name] / huge[1][name] for name in _NOISY),
        "high_traffic_worst_vs_thompson": max(huge[0][name] / huge[1][name] for name in _NOISY),
        "n1_by_event_vs_best_peer": prompt["N1"] / _best(prompt_peers()["N1"]),
        "n2_by_event_vs_best_peer": prompt["N2"] / _best(prompt_peers()["N2"]),
    }
    rounded = {field: round(float(str(value)), 3) for field, value in figures.items()}
    rows = {
        "adaptive": ours,
        "thompson": thompson,
        "lai_robbins": bounds,
        "adaptive_b100": small,
        "adaptive_delay": late,
        "adaptive_noisy": noisy[0],
        "thompson_noisy": noisy[1],
        "adaptive_high_traffic": huge[0],
        "thompson_high_traffic": huge[1],
        "adaptive_b20": prompt,
    }
    return {
        **rounded,
        "regret": {row: {name: round(value) for name, value in of.items()} for row, of in rows.items()},
        "peers": peers(),
        "peers_by_event": prompt_peers(),
        **(family_figures(_seeds(options.seeds)) if options.families else {}),
    }


def _both(problems: Iterable[Problem], runs: int) -> tuple[Regrets, Regrets]:
    """Gives the mean regret of `adaptive` and of Thompson sampling by problem."""
    ours, thompson = {}, {}
    for problem in problems:
        ours[problem.name] = mean_regret(Adaptives, problem, runs)
        thompson[problem.name] = mean_regret(Thompson, problem, runs)
    return ours, thompson


def _blind(name: str) -> float:
    """Gives what a delay costs whoever spreads the events of it evenly."""
    rates = STATIONARY[name]
    return _DELAY * 1000.0 * (max(rates) - sum(rates) / len(rates))


def _geometric(ratios: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(ratios)))))


def _best(of: Mapping[str, float | None]) -> float:
    return min(regret for regret in of.values() if regret is not None)


def _seeds(option: str) -> range:
    first, _, last = option.partition("-")
    return range(int(first), int(last or first) + 1)


def _peers(batch: int, *, by_event: bool) -> Callable[[], Mapping[str, Mapping[str, float | None]]]:
    """Starts the peers beside this process; gives what waits for their regret by problem and policy."""
    problems = {name: public(name, batch).rates.tolist() for name in ("N1", "N2")}
    asked = {"batch": batch, "by_event": by_event, "runs": _RUNS_PEERS, "problems": problems}
    program = Path(__file__).with_name("regret_peers.py")
    running = subprocess.Popen([peers_python(), program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin is not None  # noqa: S101  # a pipe was asked for
    running.stdin.write(json.dumps(asked))
    running.stdin.close()
    return functools.cache(lambda: _answer(running))


def _answer(running: subprocess.Popen[str]) -> Mapping[str, Mapping[str, float | None]]:
    assert running.stdout is not None  # noqa: S101  # a pipe was asked for
    output = running.stdout.read()
    if running.wait() != 0:
        raise RuntimeError(f"peers: expected exit status 0, got {running.returncode}")
    answer: Mapping[str, Mapping[str, float | None]] = json.loads(output)
    return answer
