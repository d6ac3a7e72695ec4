"""What bandits are tried on: eleven public problems, and random families of problems for every seed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STATIONARY: Final[Mapping[str, tuple[float, ...]]] = {
    "S1": (0.10, 0.12),
    "S2": (0.98, 0.99),
    "S3": (0.05, 0.055, 0.06, 0.065, 0.07),
    "S4": (0.1, *[0.05] * 3, *[0.02] * 3, *[0.01] * 3),
    "S5": (0.5, *[0.45] * 19),
    "S6": (0.9, 0.8, 0.8, 0.8, 0.7),
}
MOVING: Final = ("N1", "N2", "N3", "N4", "N5")
EVENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Problem:
    """A bandit in batches."""

    name: str
    rates: Floats
    """success probability by batch and arm"""
    batch: int
    """events per batch"""
    delay: int = 0
    """batches after which a batch's counts are known"""
    dispersion: float = 0.0
    """correlation within a batch and arm: its probability is drawn anew around the rate with this share of p(1-p)"""


def public(name: str, batch: int = 1000, *, batches: int = 0, delay: int = 0, dispersion: float = 0.0) -> Problem:
    """Gives one of the eleven; `EVENTS` events long unless `batches` says otherwise."""
    count = batches or EVENTS // batch
    rates = np.tile(np.array(STATIONARY[name]), (count, 1)) if name in STATIONARY else _moving(name, count)
    return Problem(name, rates, batch, delay, dispersion)


def _moving(name: str, count: int) -> Floats:
    at = np.arange(count)
    turn = 2.0 * math.pi * at[:, None] / count
    match name:
        case "N1":
            first, second = (0.10, 0.05, 0.06, 0.07, 0.08), (0.06, 0.07, 0.08, 0.10, 0.05)
            return np.array([first, second, first, (0.07, 0.08, 0.10, 0.05, 0.06)])[4 * at // count]
        case "N2":
            return np.array([(0.99, 0.985), (0.90, 0.985)])[2 * at // count]
        case "N3":
            rounds: Floats = 0.10 + 0.05 * np.sin(2.0 * turn + 2.0 * math.pi * np.arange(4) / 4.0)
            return rounds
        case "N4":
            steps = np.random.default_rng(11).normal(0.0, 0.004, (count, 5))
            walk: Floats = np.abs(0.15 + np.cumsum(steps, axis=0)) % 1.0
            return walk
        case _:
            season: Floats = 0.10 + 0.05 * np.sin(4.0 * turn) + np.array([0.0, 0.01, 0.02])
            return season


def lai_robbins(name: str) -> float:
    """Gives the asymptotic lower bound of regret after `EVENTS` events (Lai and Robbins, 1985)."""
    rates = STATIONARY[name]
    best = max(rates)
    return math.log(EVENTS) * sum((best - rate) / _divergence(rate, best) for rate in rates if rate < best)


def _divergence(rate: float, best: float) -> float:
    return rate * math.log(rate / best) + (1.0 - rate) * math.log((1.0 - rate) / (1.0 - best))


_SIZES: Final = ((50, 800), (200, 300), (1000, 100), (2500, 60))
"""Events per batch, and batches."""
_HUGE: Final = ((20_000, 100), (60_000, 100), (200_000, 100))


def random_problem(family: str, seed: int) -> Problem:
    """Gives a problem of a family: 2 to 12 arms between 1 and 40 %, or as far from 100 %."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family)])
    sizes = _HUGE if family == "traffic" else _SIZES
    batch, count = sizes[int(rng.integers(len(sizes)))]
    arms = int(rng.integers(2, 13))
    base = math.exp(rng.uniform(math.log(0.01), math.log(0.4)))
    level = math.log(base / (1.0 - base)) * rng.choice((-1.0, 1.0))
    start = level + rng.normal(0.0, 0.35, arms)
    logits = FAMILIES[family](rng, np.tile(start, (count, 1)))
    delay = int(rng.integers(3, 11)) if family == "delay" else 0
    dispersion = math.exp(rng.uniform(0.0, math.log(6.0))) - 1.0 if family == "scatter" else 0.0
    return Problem(f"{family}-{seed}", 1.0 / (1.0 + np.exp(-logits)), batch, delay, dispersion / batch)


def _same(_: np.random.Generator, logits: Floats) -> Floats:
    return logits


def _permuted(rng: np.random.Generator, logits: Floats) -> Floats:
    """Values change places between arms, once to four times."""
    count = len(logits)
    for cut in np.sort(rng.integers(count // 10, count, int(rng.integers(1, 5)))):
        logits[cut:] = logits[cut:][:, rng.permutation(logits.shape[1])]
    return logits


def _failing(rng: np.random.Generator, logits: Floats) -> Floats:
    """The best arm falls; every other time it recovers."""
    count = len(logits)
    start = int(rng.integers(count // 5, count * 4 // 5))
    end = int(rng.integers(start, count)) if rng.random() < 0.5 else count  # noqa: PLR2004
    logits[start:end, np.argmax(logits[0])] -= rng.uniform(0.5, 2.5)
    return logits


def _improving(rng: np.random.Generator, logits: Floats) -> Floats:
    """An arm that was not the best becomes it."""
    count = len(logits)
    start = int(rng.integers(count // 5, count * 3 // 5))
    order = np.argsort(logits[0])
    logits[start:, rng.choice(order[:-1])] = logits[0, order[-1]] + rng.uniform(0.1, 0.6)
    return logits


def _wandering(rng: np.random.Generator, logits: Floats) -> Floats:
    """Every arm follows an Ornstein-Uhlenbeck process of its own."""
    count, arms = logits.shape
    keep = math.exp(-1.0 / (count * rng.uniform(0.05, 0.5)))
    noise = rng.normal(0.0, 0.4 * math.sqrt(1.0 - keep * keep), (count, arms))
    for at in range(1, count):
        logits[at] = logits[0] + keep * (logits[at - 1] - logits[0]) + noise[at]
    return logits


def _seasonal(rng: np.random.Generator, logits: Floats) -> Floats:
    """All arms rise and fall together."""
    turn = 2.0 * math.pi * (rng.uniform(1.0, 8.0) * np.arange(len(logits)) / len(logits) + rng.random())
    return logits + rng.uniform(0.3, 1.0) * np.sin(turn)[:, None]


def _trending(rng: np.random.Generator, logits: Floats) -> Floats:
    """All arms move one way together."""
    rise = float(rng.choice((-1.0, 1.0))) * rng.uniform(0.5, 1.5)
    return logits + rise * np.linspace(0.0, 1.0, len(logits))[:, None]


FAMILIES: Final[Mapping[str, Callable[[np.random.Generator, Floats], Floats]]] = {
    "stationary": _same,
    "permuted": _permuted,
    "failing": _failing,
    "improving": _improving,
    "wandering": _wandering,
    "seasonal": _seasonal,
    "seasonal-permuted": lambda rng, logits: _seasonal(rng, _permuted(rng, logits)),
    "trending": _trending,
    "delay": lambda rng, logits: _permuted(rng, logits) if rng.random() < 0.5 else logits,  # noqa: PLR2004
    "scatter": lambda rng, logits: _permuted(rng, logits) if rng.random() < 0.5 else logits,  # noqa: PLR2004
    "traffic": lambda rng, logits: _permuted(rng, logits) if rng.random() < 0.5 else logits,  # noqa: PLR2004
}
