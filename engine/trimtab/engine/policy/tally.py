"""What arms earned so far: trials, and the sums of their rewards and of the rewards' squares."""

from dataclasses import dataclass, field

from trimtab.engine.policy.policy import Batch, Snapshot


@dataclass(slots=True)
class Tally:
    """Sums per arm, which can fade.

    >>> tally = Tally.of(2)
    >>> tally.add(Batch([10, 20], [1, 4], [1, 4], [0.5, 0.5]))
    >>> tally.fade(0.5)
    >>> tally.trials, tally.rewards
    ([5.0, 10.0], [0.5, 2.0])
    """

    trials: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, arms: int) -> "Tally":
        """Gives the tally of arms that nothing is known of."""
        return cls([0.0] * arms, [0.0] * arms, [0.0] * arms)

    @property
    def total(self) -> float:
        """Trials of all arms."""
        return sum(self.trials)

    def add(self, batch: Batch) -> None:
        """Counts a batch."""
        for arm, (trials, rewards, squares) in enumerate(zip(batch.trials, batch.rewards, batch.squares, strict=True)):
            self.trials[arm] += trials
            self.rewards[arm] += rewards
            self.squares[arm] += squares

    def fade(self, keep: float) -> None:
        """Multiplies everything by `keep`, from 0 to 1."""
        for arm in range(len(self.trials)):
            self.forget(arm, keep)

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm by `keep`, from 0 to 1."""
        self.trials[arm] *= keep
        self.rewards[arm] *= keep
        self.squares[arm] *= keep

    def means(self, prior: float) -> list[float]:
        """Gives each arm's mean reward, with half a trial's worth of `prior` (KT estimate where that is 1/2)."""
        return [(gained + prior / 2) / (n + 0.5) for n, gained in zip(self.trials, self.rewards, strict=True)]

    def variance(self) -> float:
        """Gives the variance of all rewards around the mean of all; 0 without trials."""
        if not self.total > 0.0:
            return 0.0
        mean = sum(self.rewards) / self.total
        return max(sum(self.squares) / self.total - mean * mean, 0.0)

    def mean(self) -> float:
        """Gives the mean of all rewards; 0 without trials."""
        return sum(self.rewards) / self.total if self.total > 0.0 else 0.0

    def snapshot(self) -> Snapshot:
        """Gives the sums as plain data."""
        return {"trials": [*self.trials], "rewards": [*self.rewards], "squares": [*self.squares]}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self.trials, self.rewards, self.squares = (
            [float(value) for value in snapshot[name]] for name in ("trials", "rewards", "squares")
        )
