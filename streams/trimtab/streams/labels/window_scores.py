"""What no single label tells: how well a variant ranks, and whether it is as sure as it should be, window by window.

Of each window of `window_s` seconds and each (release, variant, segment) with enough labels there is one outcome each:
`auc`, the area under the ROC curve (River's, over 20 thresholds), where predictions say how probable two classes are,
the positive one being the last of them in order ("1" of "0" and "1", "yes" of "no" and "yes"); and `calibration_error`,
how far confidence in the predicted class is from the share of it that was right, over ten bins of confidence (expected
calibration error). River's ADWIN watches errors label by label, and tells of a drift when one begins: `drift` is 1 in
such a window, else 0.

Source: Naeini, Cooper, Hauskrecht: Obtaining well calibrated probabilities using Bayesian binning (AAAI 2015).
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from river.drift import ADWIN
from river.metrics import ROCAUC

from trimtab.schemas.label import Label, Prediction
from trimtab.schemas.telemetry import Outcome

LEAST: Final = 50
"""Labels of a window below which nothing is told."""
MOST_ARMS: Final = 10_000
"""Arms that have windows, and of which errors are remembered (2 KiB each): those that were seen last."""
_BINS: Final = 10
_CLASSES: Final = 2
_THRESHOLDS: Final = 20


class Arm(NamedTuple):
    """Whose labels they are."""

    release: str
    variant: str
    segment: str


class Drift(NamedTuple):
    """Errors of a variant are not what they were."""

    arm: Arm
    before: float
    """error before, as ADWIN's window had it"""
    after: float


@dataclass(slots=True)
class _Window:
    n: int = 0
    bins: list[list[float]] = field(default_factory=lambda: [[0.0, 0.0, 0.0] for _ in range(_BINS)])
    """labels, sum of confidence, right ones"""
    auc: ROCAUC = field(default_factory=lambda: ROCAUC(n_thresholds=_THRESHOLDS))
    positives: int = 0
    ranked: int = 0
    has_drifted: bool = False

    def take(self, prediction: Prediction, label: Label) -> None:
        self.n += 1
        given = prediction.probabilities
        confidence = given.get(prediction.label or "")
        if confidence is not None:
            cell = self.bins[min(_BINS - 1, int(confidence * _BINS))]
            cell[0] += 1
            cell[1] += confidence
            cell[2] += prediction.label == label.label
        if len(given) == _CLASSES:
            positive = max(given)
            is_positive = label.label == positive
            self.auc.update(is_positive, given[positive])
            self.ranked += 1
            self.positives += is_positive

    def values(self) -> dict[str, float]:
        """Gives what the window tells; nothing where it has too few labels."""
        found: dict[str, float] = {}
        binned = sum(cell[0] for cell in self.bins)
        if binned >= LEAST:
            found["calibration_error"] = sum(abs(cell[1] - cell[2]) for cell in self.bins) / binned
        if self.n >= LEAST:
            found["drift"] = float(self.has_drifted)
        if self.ranked >= LEAST and 0 < self.positives < self.ranked:
            found["auc"] = float(self.auc.get())
        return {name: round(value, 4) for name, value in found.items()}


class WindowScores:
    """The windows of all variants. What is open when the process ends is not told of."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._since_s = 0
        self._windows: dict[Arm, _Window] = {}
        self._drift: dict[Arm, ADWIN] = {}
        """outlives windows: labels may come in bursts, with nothing between them"""

    def take(self, prediction: Prediction, label: Label) -> Drift | None:
        """Takes a joined pair of classes, and gives the drift that it shows, if it does."""
        if prediction.label is None or label.label is None:
            return None
        arm = Arm(prediction.release, prediction.variant, prediction.segment)
        if arm not in self._windows and len(self._windows) >= MOST_ARMS:
            return None
        self._windows.setdefault(arm, _Window()).take(prediction, label)
        watch = self._drift[arm] = self._drift.pop(arm, None) or ADWIN()  # the last that were used come last
        before = watch.estimation
        watch.update(float(prediction.label != label.label))
        if not watch.drift_detected:
            return None
        self._windows[arm].has_drifted = True
        return Drift(arm, before, watch.estimation)

    def close(self, now_s: int) -> list[Outcome]:
        """Gives the outcomes of the window that is over at `now_s`, if one is."""
        self._since_s = self._since_s or now_s
        if now_s - self._since_s < self._window_s:
            return []
        self._since_s = now_s
        windows, self._windows = self._windows, {}
        for arm in list(self._drift)[: max(0, len(self._drift) - MOST_ARMS)]:
            del self._drift[arm]
        return [
            Outcome(
                release=arm.release, variant=arm.variant, segment=arm.segment, time_ms=now_s * 1000, metric=name,
                value=value,
            )
            for arm, window in windows.items()
            for name, value in window.values().items()
        ]  # fmt: skip
