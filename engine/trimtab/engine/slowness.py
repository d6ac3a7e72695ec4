"""Whose fault it is that a candidate is slow: its version's, the load's, both, or nobody can tell.

The baseline runs at the same time and is the control. The candidate's response time is over the bound; then

| the candidate is | and the baseline is | under                          | cause                        |
|------------------|---------------------|--------------------------------|------------------------------|
| slower           | within the bound    | like load, or less than it has | VERSION: roll back           |
| slower           | over it, too        | like load, or less             | BOTH: roll back, scale out   |
| no slower        | over it, too        | like load, or more             | LOAD: scale out              |
| anything else    |                     |                                | UNKNOWN, with what is amiss  |

Load is requests per instance in the same window. A slower candidate with *less* load is its version's fault all the
more; with more of it, the load may be why. Slower means: `slowerRatio` times the baseline's figure or more, and a share
of responses above the baseline's figure that is larger by more than chance, at `confidence` (Fisher's exact test). It
is judged when somebody asks: of very many looks, some are wrong by chance.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, sqrt
from typing import Final

import numpy as np
from scipy.special import gammaln

from trimtab.engine.window import ArmWindow
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.scaling import Scaling

_REQUESTS: Final = COUNTS.index("requests")
_DURATION_US: Final = COUNTS.index("duration_us")
_FAR: Final = 40
"""Standard deviations beyond which the tail of the test is nothing to a float."""


class Cause(StrEnum):
    """Why a candidate is slow."""

    VERSION = "version"
    LOAD = "load"
    BOTH = "both"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause, and what speaks for it."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class Load:
    """What a variant did in the window, on how many instances. Raises `ValueError` for none."""

    window: ArmWindow
    instances: int

    def __post_init__(self) -> None:
        if self.instances < 1:
            raise ValueError(f"instances: expected at least 1, got {self.instances}")

    @property
    def requests_each(self) -> float:
        """Requests per instance."""
        return self.window.counts[_REQUESTS] / self.instances


def response_time_ms(spec: Scaling, window: ArmWindow) -> float | None:
    """Gives the figure that the bounds are for; None without responses."""
    if spec.measure != "mean":
        return window.quantile_ms(int(spec.measure.removeprefix("p")) / 100)
    return window.counts[_DURATION_US] / 1000 / window.responses if window.responses else None


def cause_of(spec: Scaling, candidate: Load, baseline: Load) -> Finding:
    """Gives why `candidate`, whose response time is above the upper bound, is slow. Both have been asked by then."""
    here_ms, there_ms = response_time_ms(spec, candidate.window), response_time_ms(spec, baseline.window)
    if here_ms is None or there_ms is None or baseline.window.responses < spec.min_samples:
        n = baseline.window.responses
        return Finding(Cause.UNKNOWN, f"the baseline has had {n} responses, expected {spec.min_samples}")
    figures = f"{here_ms:.4g} ms, the baseline {there_ms:.4g} ms"
    is_baseline_slow = there_ms > spec.upper
    if here_ms >= spec.slower_ratio * there_ms:
        return _slower(spec, candidate, baseline, _Figures(figures, there_ms, is_baseline_slow=is_baseline_slow))
    if not is_baseline_slow:
        return Finding(Cause.UNKNOWN, f"{figures}: too close to tell, with the bound of {spec.upper:g} ms between them")
    if baseline.requests_each > spec.like_load_ratio * candidate.requests_each:
        return Finding(Cause.UNKNOWN, f"{figures}, although {_loads(candidate, baseline)}")
    return Finding(Cause.LOAD, f"{figures}: both are slow")


@dataclass(frozen=True, slots=True)
class _Figures:
    text: str
    baseline_ms: float
    is_baseline_slow: bool


def _slower(spec: Scaling, candidate: Load, baseline: Load, seen: _Figures) -> Finding:
    chance, allowed = _chance(candidate.window, baseline.window, seen.baseline_ms), 1.0 - spec.confidence
    if chance > allowed:
        return Finding(Cause.UNKNOWN, f"{seen.text}, which may be chance (p {chance:.2g}, expected {allowed:.2g})")
    if candidate.requests_each > spec.like_load_ratio * baseline.requests_each:
        return Finding(Cause.UNKNOWN, f"{seen.text}, but {_loads(candidate, baseline)}")
    if seen.is_baseline_slow:
        return Finding(
            Cause.BOTH, f"{seen.text}: both are slow, and the candidate slower at like load (p {chance:.2g})"
        )
    return Finding(Cause.VERSION, f"{seen.text}: the candidate alone is slow at like load (p {chance:.2g})")


def _chance(candidate: ArmWindow, baseline: ArmWindow, limit_ms: float) -> float:
    """Gives the chance that so many of the slow responses, or more, are the candidate's if both are equally slow."""
    n, m = candidate.latency.count, baseline.latency.count
    slow = candidate.latency.count_above(limit_ms)
    of_both = slow + baseline.latency.count_above(limit_ms)
    if of_both == 0 or slow * (n + m) <= of_both * n:
        return 1.0
    deviation = sqrt(n * m * of_both * (n + m - of_both) / (n + m) ** 3)
    last = min(n, of_both, slow + ceil(_FAR * deviation))
    hits = np.arange(slow, last + 1, dtype=np.float64)
    terms = _log_choose(n, hits) + _log_choose(m, of_both - hits) - _log_choose(n + m, np.array(float(of_both)))
    return min(1.0, float(np.exp(terms).sum()))


def _log_choose(n: int, k: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _loads(candidate: Load, baseline: Load) -> str:
    here, there = candidate.requests_each, baseline.requests_each
    return f"it has had {here:.4g} requests an instance and the baseline {there:.4g}"
