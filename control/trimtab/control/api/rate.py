"""How often one person may ask for something: a bucket that fills evenly, and is full at first."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from trimtab.control.api.problem import ApiProblem

_MOST: Final = 10_000
"""People that are remembered; whoever was not there the longest is forgotten first."""
_MINUTE_S: Final = 60.0


class Rate:
    """A bound for each person.

    >>> rate = Rate(2, clock=lambda: 0.0)
    >>> [rate.wait_s("ada"), rate.wait_s("ada"), rate.wait_s("ada"), rate.wait_s("bob")]
    [0.0, 0.0, 30.0, 0.0]
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """person -> what is left, and since when"""

    def wait_s(self, who: str) -> float:
        """Takes one and gives 0; or gives how long (s) it takes until there is one."""
        now_s = self._clock()
        left, since_s = self._left.pop(who, (self._most, now_s))
        left = min(self._most, left + (now_s - since_s) * self._most / _MINUTE_S)
        is_there = left >= 1
        self._left[who] = (left - is_there, now_s)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        return 0.0 if is_there else (1 - left) * _MINUTE_S / self._most

    def take(self, who: str) -> None:
        """Takes one. Raises the answer 429."""
        if wait_s := self.wait_s(who):
            detail = f"more than {self._most:g} a minute; the next one in {wait_s:.1f} s"
            raise ApiProblem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(math.ceil(wait_s))})
