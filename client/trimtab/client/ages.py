"""How old weights are: the time since their holder knew last that they are the newest.

The rules, which are decided here and nowhere else:
  * Weights are vouched for when newer ones come, and each time that a worker announces the ones held as the newest.
  * What stands under the key in Redis vouches for nothing that is held already: it stands there without a worker, too.
  * What comes from the cache, and what a start finds under the key, counts from then on.
  * Weights are stale once they are older than they say themselves, until they are vouched for again.
"""

from collections.abc import Callable

from trimtab.schemas.decision import WeightsRecord


class Ages:
    """Holds one age per release. `clock` gives seconds that never go back.

    >>> Ages(lambda: 7.0).age_s("checkout") is None
    True
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._vouched_s: dict[str, float] = {}
        self._stale: set[str] = set()

    def age_s(self, release: str) -> float | None:
        """Gives the age of the weights of `release`; None before the first."""
        vouched_s = self._vouched_s.get(release)
        return None if vouched_s is None else self._clock() - vouched_s

    def is_stale(self, release: str) -> bool:
        """Whether `turns_stale` found the weights of `release` past their age, and nobody vouched for them since."""
        return release in self._stale

    def vouch(self, release: str) -> bool:
        """Takes note that the weights held are the newest, and gives whether they were stale."""
        self._vouched_s[release] = self._clock()
        was_stale = release in self._stale
        self._stale.discard(release)
        return was_stale

    def turns_stale(self, held: WeightsRecord) -> bool:
        """Gives whether `held` is past its age and was not at the last look."""
        age_s = self.age_s(held.release)
        if age_s is None or held.release in self._stale or 1_000 * age_s <= held.stale_after_ms:
            return False
        self._stale.add(held.release)
        return True
