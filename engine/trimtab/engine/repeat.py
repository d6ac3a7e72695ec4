"""Repeated outcomes: several of the same metric for one request, and what each later one changes.

Which of them counts is the release's rule to say (first, last, sum, max), which a fold does not know: for an outcome
that comes again it gives what every rule would change, so that whoever knows the rule adds up.

* An outcome is a repetition where one for the same request and metric came before it in its partition's log, at most
  `horizon_s` before it or any time after it by event time. It is compared with all of those, and with nothing older: a
  request whose outcomes go on for longer than that is counted right by `first` and `last`, and by `max` only as far
  back. It is compared with the last `MOST_COMPARED` of them: a publisher that gives all requests one number is no harm.
* Of each second of event time the first `most_per_second` outcomes are remembered. Further ones are `unjoined`: they
  count, but their repetitions are not known as such.
* So what a pane holds is a function of the messages of `horizon_s` before it and no others, wherever reading starts.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from trimtab.engine.share import is_share
from trimtab.schemas.evidence import REPEATED, VALUE_SCALE

Key = tuple[int, str, str, str]
"""(number of the request, metric, release, variant)"""
Correction = tuple[int, ...]
"""one per name in `REPEATED`"""

MOST_COMPARED: Final = 16
NONE: Final[Correction] = (0,) * len(REPEATED)
_UNJOINED: Final[Correction] = (*NONE[:-1], 1)


class Corrections(NamedTuple):
    """What an outcome corrects."""

    of_all: Correction
    of_shares: Correction
    """the same as if outcomes that are no shares had never come"""


NOTHING: Final = Corrections(NONE, NONE)


class _Said(NamedTuple):
    second: int
    value: float


class Repeats:
    """The outcomes of one source that later ones may repeat.

    >>> repeats = Repeats(horizon_s=30, most_per_second=1_000)
    >>> key = (7, "rating", "shop", "v2")
    >>> repeats.take(key, 100, 2.0) == NOTHING
    True
    >>> dict(zip(REPEATED, repeats.take(key, 101, 3.0).of_all))["last_sum"] == -2 * VALUE_SCALE
    True
    """

    __slots__ = ("_by_key", "_by_second", "_horizon_s", "_most_per_second")

    def __init__(self, horizon_s: int, most_per_second: int) -> None:
        self._horizon_s = horizon_s
        self._most_per_second = most_per_second
        self._by_key: dict[Key, list[_Said]] = {}
        self._by_second: dict[int, list[Key]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_second.values()))

    def take(self, key: Key, second: int, value: float) -> Corrections:
        """Gives what an outcome of `second` corrects, in the order of the log; zeros where it is the first."""
        said = self._by_key.get(key)
        corrections = NOTHING
        if said is not None:
            earlier = [one.value for one in said if one.second >= second - self._horizon_s]
            corrections = _corrections(earlier, value) if earlier else NOTHING
        of_second = self._by_second.setdefault(second, [])
        if len(of_second) >= self._most_per_second:
            return _unjoined(corrections, value)
        of_second.append(key)
        if said is None:
            self._by_key[key] = [_Said(second, value)]
        else:
            said.append(_Said(second, value))
            del said[:-MOST_COMPARED]
        return corrections

    def forget(self, final_s: int) -> None:
        """Lets go of what no outcome of `final_s` or later can repeat."""
        before_s = final_s - self._horizon_s
        for second in self._before(before_s):
            for key in self._by_second.pop(second):
                said = [one for one in self._by_key.get(key, ()) if one.second >= before_s]
                if said:
                    self._by_key[key] = said
                else:
                    self._by_key.pop(key, None)

    def _before(self, before_s: int) -> Iterator[int]:
        return iter([second for second in self._by_second if second < before_s])


def _corrections(earlier: list[float], value: float) -> Corrections:
    of_all = _correction(earlier, value)
    if not is_share(value):
        return Corrections(of_all, NONE)
    shares = [one for one in earlier if is_share(one)]
    if len(shares) == len(earlier):
        return Corrections(of_all, of_all)
    return Corrections(of_all, _correction(shares, value) if shares else NONE)


def _unjoined(corrections: Corrections, value: float) -> Corrections:
    of_all, of_shares = (tuple(map(sum, zip(one, _UNJOINED, strict=True))) for one in corrections)
    return Corrections(of_all, of_shares if is_share(value) else corrections.of_shares)


def _correction(earlier: list[float], value: float) -> Correction:
    most = max(earlier)
    lesser = min(most, value)
    both = sum(map(_scaled, earlier)) * _scaled(value)
    return (
        1, -_scaled(value), -_squared(value), -_scaled(earlier[-1]), -_squared(earlier[-1]),
        -_scaled(lesser), -_squared(lesser), 2 * both // VALUE_SCALE, 0,
    )  # fmt: skip


def _scaled(value: float) -> int:
    """Gives a value in 1/VALUE_SCALE, rounded as a pane does."""
    return round(value * VALUE_SCALE)


def _squared(value: float) -> int:
    return round(value * value * VALUE_SCALE)
