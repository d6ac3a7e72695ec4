"""Signals that an arm changed, by River's ADWIN or Page-Hinkley, which discount or forget the arm's past.

Optional: the policy `adaptive` learns how fast to forget from the evidence itself. These act on one arm alone, in one
segment alone, and only when something was seen.

* A detector takes one value at each look: an arm's mean reward over at least `min_trials` trials, in standard errors
  from the arm's mean since its last change. So one threshold of Page-Hinkley fits shares of 1 % and of 50 %, and any
  unit. ADWIN wants values from 0 to 1 and is blind to changes that are small against that: it gets four standard errors
  down as 0 and four up as 1.
* After a change an arm's detector starts anew.
* ADWIN's state is not plain data. A detector's state is therefore the values it has seen: when they are too many it is
  made anew from the newest half, so that a restored one, fed the same values, answers as one that never stopped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from river import drift

from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.schemas.drift import Adwin, Drift

MOST_VALUES: Final = 256
_FAR: Final = 4.0
"""standard errors"""


@dataclass(slots=True)
class _Gathered:
    """Trials of one arm, and the sums of their rewards and of the rewards' squares."""

    trials: float = 0.0
    rewards: float = 0.0
    squares: float = 0.0

    def add(self, trials: float, rewards: float, squares: float) -> None:
        self.trials += trials
        self.rewards += rewards
        self.squares += squares

    @property
    def mean(self) -> float:
        return self.rewards / self.trials

    def standard_error(self, trials: float) -> float:
        """Gives that of a mean of so many trials, with one trial's worth of 1/12 (a uniform reward's variance)."""
        deviations = max(self.squares - self.rewards * self.mean, 0.0)
        return math.sqrt((deviations + 1.0 / 12.0) / (self.trials + 1.0) / trials)

    def plain(self) -> list[float]:
        return [self.trials, self.rewards, self.squares]


@dataclass(slots=True)
class _Watch:
    """One arm's detector, and what it goes by."""

    detector: Any
    values: list[float] = field(default_factory=list)
    look: _Gathered = field(default_factory=_Gathered)
    """trials of the look to come"""
    past: _Gathered = field(default_factory=_Gathered)
    """of the looks since the last change"""


class DriftSignal:
    """Tells which arms changed.

    >>> signal = DriftSignal(1, Adwin(detector="adwin"))
    >>> changed = [signal.update(Batch([500], [gained], [gained], [1.0])) for gained in [400] * 60 + [100] * 30]
    >>> any(changed[:60]), [0] in changed[60:]
    (False, True)
    """

    __slots__ = ("_spec", "_watches")

    def __init__(self, arms: int, spec: Drift) -> None:
        self._spec = spec
        self._watches = [_Watch(self._detector(())) for _ in range(arms)]

    @property
    def keep(self) -> float:
        """What stays of the past of an arm that changed."""
        return self._spec.keep

    def _detector(self, values: Sequence[float]) -> Any:
        spec = self._spec
        if isinstance(spec, Adwin):
            detector = drift.ADWIN(delta=spec.delta, clock=1)
        else:
            detector = drift.PageHinkley(delta=spec.delta, threshold=spec.threshold)
        for value in values:
            detector.update(value)
        return detector

    def update(self, batch: Batch) -> list[int]:
        """Takes what came of traffic; gives the arms that changed."""
        return [
            arm
            for arm, sums in enumerate(zip(batch.trials, batch.rewards, batch.squares, strict=True))
            if self._has_changed(arm, *sums)
        ]

    def _has_changed(self, arm: int, trials: float, rewards: float, squares: float) -> bool:
        watch = self._watches[arm]
        watch.look.add(trials, rewards, squares)
        if watch.look.trials < self._spec.min_trials:
            return False
        look, watch.look = watch.look, _Gathered()
        value = self._value(look, watch.past)
        watch.past.add(*look.plain())
        watch.values.append(value)
        watch.detector.update(value)
        if watch.detector.drift_detected:
            self._watches[arm] = _Watch(self._detector(()))
            return True
        if len(watch.values) >= MOST_VALUES:
            watch.values = watch.values[MOST_VALUES // 2 :]
            watch.detector = self._detector(watch.values)
        return False

    def _value(self, look: _Gathered, past: _Gathered) -> float:
        errors = (look.mean - past.mean) / past.standard_error(look.trials) if past.trials else 0.0
        if isinstance(self._spec, Adwin):
            return min(max(0.5 + errors / (2.0 * _FAR), 0.0), 1.0)
        return errors

    def snapshot(self) -> Snapshot:
        """Gives the values that each arm's detector saw, and the sums it goes by."""
        return {
            "arms": [
                {"values": [*watch.values], "look": watch.look.plain(), "past": watch.past.plain()}
                for watch in self._watches
            ]
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._watches = [
            _Watch(self._detector(arm["values"]), [*arm["values"]], _Gathered(*arm["look"]), _Gathered(*arm["past"]))
            for arm in snapshot["arms"]
        ]
