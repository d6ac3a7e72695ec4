"""Shares in HAProxy's whole numbers: a server's weight is 0 to 256, and a variant has one server or several.

The rules, which are decided here and nowhere else:
  * A weight of 0 gives 0, and the only weight that is not 0 takes all.
  * A weight above 0 never gives 0: what gets no traffic can never be judged. With one server to a variant the smallest
    share is 1/257 (39 basis points); more servers for the other variants make finer ones.
  * Of all numbers that do so, those with the smallest error of any share; of these, the greatest.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from trimtab.schemas.ids import BASIS_POINTS

MAX_WEIGHT: Final = 256


def server_weights(weights: Mapping[str, int], servers: Mapping[str, int]) -> dict[str, int]:
    """Gives the weight of each server of a variant, for `weights` in basis points and numbers of `servers`.

    >>> server_weights({"v1": 9000, "v2": 1000}, {"v1": 1, "v2": 1})
    {'v1': 252, 'v2': 28}
    """
    names = tuple(weights)
    found = _nearest(tuple(weights.values()), tuple(servers[name] for name in names))
    return dict(zip(names, found, strict=True))


def shares_bp(totals: Mapping[str, int]) -> dict[str, float]:
    """Gives the share of each variant, in basis points, of the sums of its servers' weights; 0 where all are 0.

    >>> shares_bp({"v1": 256, "v2": 1})
    {'v1': 9961.09, 'v2': 38.91}
    """
    whole = sum(totals.values())
    return {name: round(BASIS_POINTS * total / whole, 2) if whole else 0.0 for name, total in totals.items()}


@lru_cache(maxsize=1024)
def _nearest(weights: tuple[int, ...], servers: tuple[int, ...]) -> tuple[int, ...]:
    greatest = max(weight / count for weight, count in zip(weights, servers, strict=True))
    candidates = [
        tuple(max(1, round(weight / count / greatest * top)) if weight else 0
              for weight, count in zip(weights, servers, strict=True))
        for top in range(MAX_WEIGHT, 0, -1)
    ]  # fmt: skip
    return min(candidates, key=lambda found: _error(found, weights, servers))


def _error(found: tuple[int, ...], weights: tuple[int, ...], servers: tuple[int, ...]) -> float:
    """Gives the greatest error of any share. Rounded, for sums of floats must not choose between equals."""
    whole = sum(each * count for each, count in zip(found, servers, strict=True))
    errors = (
        abs(each * count / whole - weight / BASIS_POINTS)
        for each, count, weight in zip(found, servers, weights, strict=True)
    )
    return round(max(errors), 9)
