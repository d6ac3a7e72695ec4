"""Mean and variance from sums, and how wide a confidence sequence of a mean is.

Sources: Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979);
Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas: Time-uniform central limit theory and asymptotic confidence sequences
(2021), theorem 2.2 for the width, and the approximation there of the best rho.
"""

import math

from trimtab.engine.sequential.look import Sums


class Moments:
    """Running mean and variance. Looks are merged by their own means, so that no digits are lost to a large mean.

    >>> moments = Moments()
    >>> moments.update(Sums(2, 2e9 + 3.0, (1e9 + 1.0) ** 2 + (1e9 + 2.0) ** 2))
    >>> moments.update(Sums(1, 1e9 + 6.0, (1e9 + 6.0) ** 2))
    >>> moments.count, moments.mean
    (3, 1000000003.0)
    """

    __slots__ = ("_scatter", "count", "mean")

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._scatter = 0.0
        """sum of the squared distances from the mean"""

    @property
    def variance(self) -> float:
        """Of the values, not of their mean; 0 with fewer than two."""
        return self._scatter / (self.count - 1) if self.count > 1 else 0.0

    def update(self, look: Sums) -> None:
        """Takes the values of a look."""
        if not look.n:
            return
        count, distance = self.count + look.n, look.mean - self.mean
        within = max(0.0, look.squares - look.total * look.mean)
        self._scatter += within + distance * distance * self.count * look.n / count
        self.mean += distance * look.n / count
        self.count = count

    def snapshot(self) -> list[float]:
        """Gives count, mean and scatter."""
        return [self.count, self.mean, self._scatter]

    def restore(self, snapshot: list[float]) -> None:
        """Continues from a snapshot."""
        count, self.mean, self._scatter = snapshot
        self.count = int(count)


def half_width(information: float, tuned: float, alpha: float) -> float:
    """Gives half the width of a confidence sequence whose estimate has the variance 1 / `information`.

    The sequence covers the truth at all times together with probability 1 - `alpha`, asymptotically; it is tightest at
    an information of `tuned`. Infinite without information.
    """
    if information <= 0.0:
        return math.inf
    both = -2.0 * math.log(alpha)
    rho = (both + math.log(both + 1.0)) / tuned * information
    return math.sqrt(2.0 * (rho + 1.0) / (rho * information) * math.log(math.sqrt(rho + 1.0) / alpha))
