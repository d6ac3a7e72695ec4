"""Picking a variant within a service, where no proxy does it: by the newest weights, as a proxy would.

What a request is of is told by its key (who is asking), and where a release has conditions by the request itself:

1. A request that takes no part in the release gets the baseline, and nobody is told of it.
2. What a variant claims gets that variant, and carries no revision: it is no sample of what weights do.
3. All else goes by the weights of its segment. With a key the same one gets the same variant for as long as its share
   allows (`trimtab.schemas.stickiness`); without one each request is drawn for by itself.

Where weights past their age have made way for the baseline, 2 and 3 get that, and carry no revision either.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from trimtab.client.token import Attribution, token_of
from trimtab.schemas.condition import parse
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION
from trimtab.schemas.request_match import Request, matches
from trimtab.schemas.stickiness import Range, bucket_of, ranges_of, variant_at
from trimtab.schemas.telemetry import RoutingKey


class Newest(Protocol):
    """What knows the newest weights: `trimtab.client.Weights`."""

    def get(self, release: str) -> WeightsRecord | None:
        """Gives the newest weights of a release, or None before the first."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The variant that a request got, and what its telemetry and its outcomes have to name."""

    variant: str
    target: str
    """the proxy's name for the variant, as the release file has it"""
    key: RoutingKey
    started_ms: int
    """when it was picked"""
    request: str
    """the request's id: as it was told, or one of its own"""
    takes_part: bool = True
    """False for a request that the release's condition leaves out: nobody is to be told of it"""

    @property
    def token(self) -> str:
        """The attribution token: a short text that outcomes name it by, wherever they become known."""
        return token_of(Attribution(self.key, self.started_ms, self.request))


class Assign:
    """Picks variants of the releases that `weights` follows.

    `default`: release -> variant to give before any weights have come; without one that raises `Unreachable`. Safe for
    threads, never waits for IO: coroutines use it as it is.

    >>> class Known:
    ...     def get(self, release):
    ...         return WeightsRecord(
    ...             release=release, era=1, revision=2, time_ms=0, phase="progressing",
    ...             weights={"v1": 9_000, "v2": 1_000}, targets={"v1": "v1", "v2": "v2"},
    ...         )
    >>> assign = Assign(Known())
    >>> [assign.pick("checkout", key).variant for key in ("ann", "bob", "pat")]
    ['v1', 'v1', 'v2']
    """

    def __init__(
        self,
        weights: Newest,
        *,
        default: Mapping[str, str] = {},
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`draw`: gives a number from 0 on and below 1."""
        self._weights, self._default, self._draw = weights, default, draw

    def pick(
        self,
        release: str,
        key: str | None = None,
        *,
        request: Request | None = None,
        segment: str = "",
        request_id: str = "",
    ) -> Assignment:
        """Gives the variant for a request.

        `key`: by which the request is recognised, such as a user's id. `request`: for the conditions of the release,
        which are passed over without it. `segment`: where the service knows it and no condition tells it.
        `request_id`: by which outcomes that are told twice are known; one is made up where none is told. Raises
        `TypeError` for a key that is no text: `str(user.id)` and `user.id` would be different visitors elsewhere.
        """
        if key is not None and not isinstance(key, str):
            raise TypeError(f"release {release}: key: expected text, got {type(key).__name__}")
        record = self._weights.get(release)
        began = (time.time_ns() // 1_000_000, request_id or f"{random.getrandbits(64):016x}")
        if record is None:
            return self._by_default(release, segment, began)
        if request is not None and record.condition and not holds(record.condition, request):
            return Assignment(record.baseline, record.targets[record.baseline], _NOBODY, *began, takes_part=False)
        claimed = self._claimed(record, request) if request is not None else ""
        if claimed:
            key_of = RoutingKey(release, claimed, "", *NO_REVISION)
            return Assignment(claimed, record.targets[claimed], key_of, *began)
        segment = segment_of(record, request, segment)
        variant = variant_at(_ranges(record, segment), self._bucket(record, key))
        key_of = RoutingKey(release, variant, segment, *record.routed_by)
        return Assignment(variant, record.targets[variant], key_of, *began)

    def _bucket(self, record: WeightsRecord, key: str | None) -> int:
        if key is None:
            return int(self._draw() * BASIS_POINTS)
        return bucket_of(record.sticky.seed if record.sticky else record.release, key)

    def _claimed(self, record: WeightsRecord, request: Request) -> str:
        """Gives the variant that claims a request; of claims that leave it out the next one may take it."""
        drawn = self._draw() * BASIS_POINTS if record.claims else 0.0
        for claim in record.claims:
            if drawn < claim.strength and holds(claim.condition, request):
                return claim.variant
        return ""

    def _by_default(self, release: str, segment: str, began: tuple[int, str]) -> Assignment:
        variant = self._default.get(release)
        if variant is None:
            raise Unreachable(f"release {release}: no weights yet, and no default variant")
        return Assignment(variant, variant, RoutingKey(release, variant, segment, *NO_REVISION), *began)


_NOBODY: Final = RoutingKey("", "", "", *NO_REVISION)


def segment_of(record: WeightsRecord, request: Request | None, told: str) -> str:
    """Gives the segment of a request: by conditions where it is known, else as the service has told."""
    if request is not None:
        for segment, condition in record.segment_conditions.items():
            if holds(condition, request):
                return segment
    return told


def _ranges(record: WeightsRecord, segment: str) -> Sequence[Range]:
    if record.ranges:
        return record.ranges.get(segment if segment in record.segments else "", record.ranges[""])
    return ranges_of(record.segments.get(segment, record.weights))


def holds(text: str, request: Request) -> bool:
    """Whether the condition that `text` is holds for a request."""
    return matches(parse(text), request)
