"""Which of several releases of one service has the traffic.

* Releases of one service are those whose names begin alike: `checkout`, `checkout.2` and `checkout.search`. They live
  in one evidence partition, so all of this follows from one log, and a replay gives the same.
* Of those whose routes overlap (one prefix begins with the other) one is live at a time: the first keeps the traffic,
  a later one is queued, and begins anew once none is in its way. A release that is over is in nobody's way.
* Who is in the way of whom is asked as of before a record. A restart restores releases that are ahead of others; what
  they were at that record is in their `lives`.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.ids import service_of

MOST_LIVES: Final = 32
"""How many changes a release remembers: more than can come between two snapshots."""


class Standing(StrEnum):
    """What a release is to others of its service."""

    LIVE = "live"
    QUEUED = "queued"
    OVER = "over"


Life = tuple[int, str, str]
"""the record from which on it holds, the standing, and the path prefix of the route"""


class Placed(Protocol):
    """A release, as others of its service see it."""

    @property
    def lives(self) -> Sequence[Life]:
        """Its standings so far, the newest last."""


def overlap(one: str, other: str) -> bool:
    """Whether a path can belong to the routes of both prefixes.

    >>> overlap("/shop", "/shop/cart"), overlap("/shop", "/cart")
    (True, False)
    """
    return one.startswith(other) or other.startswith(one)


def in_the_way(releases: Mapping[str, Placed], name: str, prefix: str, offset: int) -> str:
    """Gives the live release that keeps `name` from the traffic of `prefix` before the record `offset`; "" for none."""
    service = service_of(name)
    live = [
        (since, other)
        for other, release in releases.items()
        if other != name and service_of(other) == service
        for since, standing, theirs in _before(release.lives, offset)
        if standing == Standing.LIVE and overlap(prefix, theirs)
    ]
    return min(live)[1] if live else ""


def _before(lives: Iterable[Life], offset: int) -> list[Life]:
    """Gives what held before the record `offset`: one life, or none."""
    return [life for life in lives if life[0] < offset][-1:]


def queued_rule(behind: str) -> str:
    """Gives the words for a release that waits for `behind`; empty where it waits for none."""
    return f"applied: queued, {behind} keeps the traffic until it is over" if behind else ""


def with_life(lives: Sequence[Life], life: Life) -> list[Life]:
    """Gives the lives with one more, unless it is what the newest one says already.

    >>> with_life([(3, "queued", "/")], (9, "live", "/")), with_life([(3, "live", "/")], (9, "live", "/"))
    ([(3, 'queued', '/'), (9, 'live', '/')], [(3, 'live', '/')])
    """
    if lives and lives[-1][1:] == life[1:]:
        return list(lives)
    return [*lives, life][-MOST_LIVES:]


def stand(state: ReleaseState, life: Life) -> None:
    """Takes note of what a release is to others of its service from a record on, and when it took the traffic."""
    if state.lives and state.lives[-1][1:] == life[1:]:  # as from most decisions to the next
        return
    was_live = bool(state.lives) and state.lives[-1][1] == Standing.LIVE
    if life[1] == Standing.LIVE and not was_live:
        state.began = state.newest
    state.lives = with_life(state.lives, life)
