"""Follows the release's decisions in Redis, as any console would."""

from types import TracebackType
from typing import Final, Self

import redis
from redis.exceptions import RedisError

from trimtab.control.demo.chronicle import Chronicle
from trimtab.schemas.decision import decode_decision
from trimtab.schemas.redis_keys import weights_key

_PATIENCE_S: Final = 0.5
"""The event loop stands still for as long; a server on the same machine answers in a fraction of a millisecond."""


class Feed:
    """Brings the decisions on `release` into `chronicle`, one look at a time."""

    def __init__(self, url: str, release: str, chronicle: Chronicle) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=_PATIENCE_S)
        self._key = weights_key(release)
        self._chronicle = chronicle

    def look(self, at_s: float) -> None:
        """Takes in the newest decision as seen at `at_s`. Where Redis does not answer, the last one stands."""
        try:
            payload = self._redis.hget(self._key, "decision")
        except RedisError:
            return
        if payload is not None:
            self._chronicle.add(decode_decision(payload), at_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redis.close()
