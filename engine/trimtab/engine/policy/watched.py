"""Policies whose past is discounted where a drift signal says that an arm changed.

The policy learns of the batch first and is told of the change after it, so that with `keep` at 0 the arm begins anew
with the batch to come.
"""

from collections.abc import Callable, Sequence

from trimtab.engine.policy.drift import DriftSignal
from trimtab.engine.policy.forgetful import Forgetful
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.segmented import Segmented


class Watched:
    """A policy with a signal that acts on single arms.

    >>> from trimtab.engine.policy.thompson import Thompson
    >>> from trimtab.schemas.drift import PageHinkley
    >>> signal = DriftSignal(2, PageHinkley(detector="pageHinkley"))
    >>> policy = Watched(Thompson(2, real_valued=False), signal)
    >>> for gained in [80] * 40 + [20] * 10:
    ...     policy.update(Batch([100, 100], [gained, 60], [gained, 60], [0.5, 0.5]))
    >>> [round(share, 3) for share in policy.shares([True, True], 0, 1)]
    [0.0, 1.0]
    """

    __slots__ = ("_policy", "_signal")

    def __init__(self, policy: Forgetful, signal: DriftSignal) -> None:
        self._policy = policy
        self._signal = signal

    def update(self, batch: Batch) -> None:
        """Takes what came of traffic, and lets go of what is known of arms that changed."""
        self._policy.update(batch)
        for arm in self._signal.update(batch):
            self._policy.forget(arm, self._signal.keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the policy's shares."""
        return self._policy.shares(eligible, pending, seed)

    def snapshot(self) -> Snapshot:
        """Gives what policy and signal know."""
        return {"policy": self._policy.snapshot(), "signal": self._signal.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._policy.restore(snapshot["policy"])
        self._signal.restore(snapshot["signal"])


class WatchedSegments:
    """A segmented policy with a signal per segment.

    >>> from trimtab.schemas.drift import Adwin
    >>> policy = WatchedSegments(Segmented(2), lambda: DriftSignal(2, Adwin(detector="adwin")))
    >>> policy.shares_in("mobile", [True, True], 0, 1)
    [0.5, 0.5]
    """

    __slots__ = ("_policy", "_signal_of_segment", "_signals")

    def __init__(self, policy: Segmented, signal_of_segment: Callable[[], DriftSignal]) -> None:
        self._policy = policy
        self._signal_of_segment = signal_of_segment
        self._signals: dict[str, DriftSignal] = {}

    def update(self, batch: Batch) -> None:
        """Takes what came of traffic of no segment."""
        self.update_in("", batch)

    def update_in(self, segment: str, batch: Batch) -> None:
        """Takes what came of a segment's traffic, and lets go of what is known there of arms that changed."""
        self._policy.update_in(segment, batch)
        signal = self._signals.get(segment) or self._signal_of_segment()
        self._signals[segment] = signal
        for arm in signal.update(batch):
            self._policy.forget_in(segment, arm, signal.keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the policy's shares for traffic of no segment."""
        return self._policy.shares(eligible, pending, seed)

    def shares_in(self, segment: str, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the policy's shares for a segment."""
        return self._policy.shares_in(segment, eligible, pending, seed)

    def snapshot(self) -> Snapshot:
        """Gives what policy and signals know."""
        signals = {segment: signal.snapshot() for segment, signal in self._signals.items()}
        return {"policy": self._policy.snapshot(), "signals": signals}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._policy.restore(snapshot["policy"])
        self._signals = {segment: self._signal_of_segment() for segment in snapshot["signals"]}
        for segment, kept in snapshot["signals"].items():
            self._signals[segment].restore(kept)
