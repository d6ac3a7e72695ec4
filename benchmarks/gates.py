"""False alarms and delays of the any-time-valid tests, beside an oracle, plain e-processes and a judge of ranks.

Every run is a release in simulated traffic with a look a second, by the engine's own kernels. Delays count from the
fault on, in seconds; a run that never alarms counts as infinite.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from trimtab.engine.sequential.budget import ratios_of, share_steps
from trimtab.engine.sequential.conclusion import Side
from trimtab.engine.sequential.hypergeometric import pair_steps
from trimtab.engine.sequential.look import SharePair
from trimtab.engine.sequential.mixture import LN_ODDS, grow, ln_evidence, ln_sum
from trimtab.engine.sequential.sample_ratio import LN_ODDS_BOTH_WAYS, ratio_steps
from trimtab.engine.sequential.starts import FIRST, NOTHING, ONLY_FIRST, ln_left, ln_start

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LOOKS: Final = 10_000
_SLICE: Final = 50
"""Releases that are drawn at a time."""
_HOUR: Final = 3_600
_WARM_UP_S: Final = 60
_ORACLE: Final = np.array([math.log(2.0)])
_MINUTE: Final = 60
_JUDGED_EACH: Final = 10
_TOLERANCE: Final = 0.25
_NORMAL_98: Final = 2.3263478740408408
"""Deviations beyond which 1 % of a normal variable lies."""


class Starts(NamedTuple):
    """Logarithms of the weight of each look, and of what is left after it."""

    at: Floats
    left: Floats


def _starts(looks: int, first: float = FIRST) -> Starts:
    each = range(1, looks + 1)
    return Starts(np.array([ln_start(look, first) for look in each]), np.array([ln_left(look, first) for look in each]))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--runs", type=int, default=4_000, help="releases per figure; some take half or a tenth")


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Gives false alarm rates and median delays."""
    runs: int = options.runs
    return {
        **_errors(runs),
        **_kayenta(runs // 10),
        **_after_an_hour(runs // 10),
        **_latencies(runs // 2),
        **_ratios(runs),
        "fpr_family_abort": _family(runs // 2),
    }


# Not cached: Numba does not notice when a kernel of another file that is compiled into these has changed.
_loop = numba.njit(error_model="numpy")


@_loop  # type: ignore[untyped-decorator]  # Numba publishes no types
def _compare(looks: Ints, tilts: Floats, starts: Starts, threshold: float) -> float:
    """Gives the look at which one release alarms; `looks`: four counts each."""
    masses = np.full(len(tilts), NOTHING)
    told = 0
    for look in range(len(looks)):
        candidate, x, baseline, y = looks[look]
        if candidate > 0 and baseline > 0:
            grow(masses, pair_steps(tilts, 0.0, SharePair(candidate, x, baseline, y)), starts.at[told])
            if ln_evidence(masses, starts.left[told]) >= threshold:
                return look + 1.0
            told += 1
    return np.inf


@_loop  # type: ignore[untyped-decorator]  # Numba publishes no types
def _compare_three(looks: Ints, tilts: Floats, starts: Starts, threshold: float) -> float:
    """The same of latencies; `looks`: eight counts each, responses and three counts of slow ones by arm."""
    size = len(tilts)
    masses, steps = np.full(3 * size, NOTHING), np.zeros(3 * size)
    told = 0
    for look in range(len(looks)):
        counts = looks[look]
        if counts[0] > 0 and counts[4] > 0:
            for limit in range(3):
                pair = SharePair(counts[0], counts[1 + limit], counts[4], counts[5 + limit])
                steps[limit * size : (limit + 1) * size] = pair_steps(tilts, 0.0, pair)
            grow(masses, steps, starts.at[told])
            if ln_evidence(masses, starts.left[told]) >= threshold:
                return look + 1.0
            told += 1
    return np.inf


@_loop  # type: ignore[untyped-decorator]  # Numba publishes no types
def _match(weights: Floats, requests: Ints, tilts: Floats, starts: Starts, threshold: float) -> float:
    """The same of requests of two arms against their weights."""
    masses = np.full(len(tilts), NOTHING)
    for look in range(len(requests)):
        grow(masses, ratio_steps(tilts, weights[look], requests[look].astype(np.float64), 1), starts.at[look])
        if ln_evidence(masses, starts.left[look]) >= threshold:
            return look + 1.0
    return np.inf


class _Settings(NamedTuple):
    """What the tests of a family have in common."""

    tilts: Floats
    breach: Floats
    other: Floats
    starts: Starts
    threshold: float


@_loop  # type: ignore[untyped-decorator]  # Numba publishes no types
def _watch(shares: Ints, errors: Ints, slower: Ints, of: _Settings) -> bool:
    """Whether two candidates with four guardrails each (mean of their E, alpha halved) ever alarm.

    `shares`: responses by look and arm, the baseline's last; `errors`: likewise; `slower`: likewise, by limit.
    Guardrails: errors and the slowest responses within a budget, errors and latencies as the baseline's.
    """
    size, budget = len(of.tilts), len(of.breach)
    compared, slow = np.full((2, size), NOTHING), np.full((2, 3 * size), NOTHING)
    budgets, steps = np.full((2, 2, budget), NOTHING), np.zeros(3 * size)
    for look in range(len(shares)):
        start, left = of.starts.at[look], of.starts.left[look]
        n = shares[look]
        for arm in range(2):
            grow(budgets[arm, 0], share_steps(of.breach, of.other, n[arm], errors[look, arm]), start)
            grow(budgets[arm, 1], share_steps(of.breach, of.other, n[arm], slower[look, arm, 2]), start)
            pair = SharePair(n[arm], errors[look, arm], n[2], errors[look, 2])
            grow(compared[arm], pair_steps(of.tilts, 0.0, pair), start)
            for limit in range(3):
                pair = SharePair(n[arm], slower[look, arm, limit], n[2], slower[look, 2, limit])
                steps[limit * size : (limit + 1) * size] = pair_steps(of.tilts, 0.0, pair)
            grow(slow[arm], steps, start)
            both = ln_sum(ln_evidence(budgets[arm, 0], left), ln_evidence(budgets[arm, 1], left))
            rest = ln_sum(ln_evidence(compared[arm], left), ln_evidence(slow[arm], left))
            if ln_sum(both, rest) - math.log(4.0) >= of.threshold:
                return True
    return False


def _pairs(rng: np.random.Generator, runs: int, looks: int, *, error: float, rps: int = 1_000) -> Ints:
    """Gives looks of releases: a tenth of the traffic for the candidate, 1 % errors of the baseline."""
    candidate = rng.binomial(rps, 0.1, (runs, looks))
    breaches = rng.binomial(candidate, error), rng.binomial(rps - candidate, 0.01)
    return np.stack([candidate, breaches[0], rps - candidate, breaches[1]], axis=-1)


def _alarms(runs: int, draw: Callable[[int], Sequence[Ints]], ask: Callable[..., float]) -> Floats:
    """Gives when each release alarms; `draw` gives what so many releases bring."""
    found: list[float] = []
    while len(found) < runs:
        found += [ask(*of_run) for of_run in zip(*draw(min(_SLICE, runs - len(found))), strict=True)]
    return np.array(found)


def _errors(runs: int) -> dict[str, object]:
    rng, threshold = np.random.default_rng(41), math.log(20.0)
    starts, plain = _starts(_LOOKS), _starts(_LOOKS, ONLY_FIRST)

    def found(error: float, looks: int, tilts: Floats, of: Starts) -> Floats:
        return _alarms(
            runs,
            lambda count: [_pairs(rng, count, looks, error=error)],
            lambda run: _compare(run, tilts, of, threshold),
        )

    ours, oracle = found(0.02, 600, LN_ODDS, starts), found(0.02, 600, _ORACLE, plain)
    return {
        "fpr_error": _share(found(0.01, _LOOKS, LN_ODDS, starts)),
        "ttd_error_median_s": float(np.median(ours)),
        "ttd_error_mean_s": round(float(ours.mean()), 1),
        # Of means: medians are whole seconds, and their ratio jumps by an eighth from one set of runs to the next.
        "ttd_error_vs_oracle": round(float(ours.mean() / oracle.mean()), 2),
        "ttd_error_median_vs_oracle": round(float(np.median(ours) / np.median(oracle)), 2),
        "ttd_error_plain_mean_s": round(float(found(0.02, 600, LN_ODDS, plain).mean()), 1),
    }


def _kayenta(runs: int) -> dict[str, object]:
    """A judge each ten minutes over all minutes so far: canary and a baseline of the same size, at 2 % and 1 %."""
    rng = np.random.default_rng(42)
    minutes, per_minute = 60, 100 * _MINUTE
    delays, ours = [], []
    for _ in range(runs):
        canary, baseline = (rng.binomial(per_minute, error, minutes) / per_minute for error in (0.02, 0.01))
        judged = range(_JUDGED_EACH, minutes + 1, _JUDGED_EACH)
        high = [minute for minute in judged if _is_high(canary[:minute], baseline[:minute])]
        delays.append(high[0] * _MINUTE if high else math.inf)
        ours.append(_compare(_pairs(rng, 1, 600, error=0.02)[0], LN_ODDS, _starts(600), math.log(20.0)))
    judge = float(np.median(delays))
    return {"ttd_kayenta_median_s": judge, "ttd_kayenta_vs_ours": round(judge / float(np.median(ours)), 1)}


def _is_high(canary: Floats, baseline: Floats) -> bool:
    """Whether the 98 % interval of the shift (Mann-Whitney, Hodges-Lehmann) lies above a quarter of its estimate."""
    shifts = np.sort(np.subtract.outer(canary, baseline).ravel())
    n, m = len(canary), len(baseline)
    below = math.floor(n * m / 2 - _NORMAL_98 * math.sqrt(n * m * (n + m + 1) / 12))
    return bool(shifts[max(0, below)] > _TOLERANCE * abs(np.median(shifts)))


def _after_an_hour(runs: int) -> dict[str, object]:
    """After an hour at 0.9 % the errors rise to 2 %; alpha 1 %, as for an abort. With starts and without."""
    rng, after = np.random.default_rng(43), 1_200

    def found(first: float) -> Floats:
        starts = _starts(_HOUR + after, first)

        def draw(count: int) -> list[Ints]:
            good, bad = (_pairs(rng, count, looks, error=error) for looks, error in ((_HOUR, 0.009), (after, 0.02)))
            return [np.concatenate([good, bad], axis=1)]

        times = _alarms(runs, draw, lambda run: _compare(run, LN_ODDS, starts, math.log(100.0)))
        return times[times > _HOUR] - _HOUR

    ours, plain = found(FIRST), found(ONLY_FIRST)
    return {"ttd_after_hour_median_s": float(np.median(ours)), "ttd_after_hour_plain_median_s": float(np.median(plain))}


def _latencies(runs: int) -> dict[str, object]:
    """100 requests a second, lognormal with sigma 0.6; limits of the first minute, which counts as delay."""
    rng, horizon, threshold = np.random.default_rng(44), 3_000 - _WARM_UP_S, math.log(20.0)
    starts = _starts(horizon)

    def slower(sizes: Ints, limits: Floats, factor: float) -> Ints:
        """Counts above each limit: those above the second are some of those above the first."""
        above = [0.5 * math.erfc((math.log(limit) - math.log(factor)) / 0.6 / math.sqrt(2.0)) for limit in limits]
        counts, rest = [], sizes
        for share, of in zip(above, [1.0, *above[:-1]], strict=True):
            rest = rng.binomial(rest, share / of)
            counts.append(rest)
        return np.stack([sizes, *counts], axis=-1)

    def draw(count: int, factor: float) -> list[Ints]:
        looks = []
        for _ in range(count):
            limits = np.quantile(rng.lognormal(0.0, 0.6, 90 * _WARM_UP_S), [0.5, 0.9, 0.99])
            candidate = rng.binomial(100, 0.1, horizon)
            looks.append(
                np.concatenate([slower(candidate, limits, factor), slower(100 - candidate, limits, 1.0)], axis=-1)
            )
        return [np.stack(looks)]

    def found(factor: float) -> Floats:
        return _alarms(
            runs, lambda count: draw(count, factor), lambda run: _compare_three(run, LN_ODDS, starts, threshold)
        )

    return {
        "fpr_latency": _share(found(1.0)),
        "ttd_latency_median_s": float(np.median(found(1.2))) + _WARM_UP_S,
    }


def _ratios(runs: int) -> dict[str, object]:
    """1,000 requests a second while the canary's weight swings between 10 % and 40 %; alpha 0.1 %."""
    rng, threshold = np.random.default_rng(45), math.log(1_000.0)
    weight = 0.1 + 0.15 * (np.sin(np.arange(_LOOKS) / 500.0) + 1.0)
    weights, starts = np.stack([weight, 1.0 - weight], axis=-1), _starts(_LOOKS)

    def found(kept: float, looks: int) -> Floats:
        def draw(count: int) -> list[Ints]:
            sent = rng.binomial(1_000, weight[:looks], (count, looks))
            return [np.stack([rng.binomial(sent, kept), 1_000 - sent], axis=-1)]

        return _alarms(runs, draw, lambda run: _match(weights, run, LN_ODDS_BOTH_WAYS, starts, threshold))

    return {"fpr_srm": _share(found(1.0, _LOOKS)), "ttd_srm5_median_s": float(np.median(found(0.95, 1_000)))}


def _family(runs: int) -> float:
    """Two candidates at 5 % of 400 requests a second each, four guardrails each, all on the edge of harm; alpha 1 %."""
    rng, looks = np.random.default_rng(46), 5_000
    settings = _Settings(LN_ODDS, *ratios_of(0.01, Side.HARM), _starts(looks), math.log(2.0 / 0.01))

    def draw(count: int) -> list[Ints]:
        shares = rng.multinomial(400, [0.05, 0.05, 0.9], (count, looks))
        errors = rng.binomial(shares, 0.01)
        half = rng.binomial(shares, 0.5)
        tenth = rng.binomial(half, 0.2)
        return [shares, errors, np.stack([half, tenth, rng.binomial(tenth, 0.1)], axis=-1)]

    alarms = _alarms(runs, draw, lambda *run: _watch(*run, settings))
    return round(float(alarms.mean()), 4)


def _share(alarms: Floats) -> float:
    """Gives the share of releases that ever alarm."""
    return round(float(np.isfinite(alarms).mean()), 4)
