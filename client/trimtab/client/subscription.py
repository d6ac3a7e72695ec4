"""One connection's worth of weights from Redis: subscribe, then read the keys, then follow the channels.

In that order no revision falls between: what is written after the keys were read is announced to a subscription that
already stands. Every failure ends the subscription; making the next one is the caller's part.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis import ConnectionError as RedisConnectionError
from redis.client import PubSub

from trimtab.schemas.redis_client import open_redis
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import weights_channel, weights_key

_SOCKET_S: Final = 2.0
_LOOK_S: Final = 0.1
"""How long `follow` waits for a message before it looks whether it should end."""

_PING_AFTER_S: Final = 1.0
_DEAD_AFTER_S: Final = 3.0
"""A connection that was silent for so long, a ping notwithstanding, is taken as half open."""


class Subscription:
    """A connection pair (one that is subscribed, one that reads) to the weights of `releases`."""

    def __init__(self, redis: RedisConnection, releases: Sequence[str]) -> None:
        self._releases = releases
        self._channels = {weights_channel(release).encode(): release for release in releases}
        self._redis = open_redis(redis, _SOCKET_S)  # without retries: the keys must be read anew after each reconnect
        self._pubsub: PubSub = self._redis.pubsub()  # type: ignore[no-untyped-call]  # redis-py has no types for it

    def open(self) -> list[tuple[str, bytes | None]]:
        """Subscribes, and gives what stands under the key of each release (b"" for a key of another type)."""
        self._pubsub.subscribe(*self._channels)
        for _ in self._channels:
            self._await_confirmation()
        pipeline = self._redis.pipeline(transaction=False)
        for release in self._releases:
            pipeline.hget(weights_key(release), "weights")
        found: list[Any] = pipeline.execute(raise_on_error=False)
        return [
            (release, b"" if isinstance(payload, Exception) else payload)
            for release, payload in zip(self._releases, found, strict=True)
        ]

    def follow(self, take: Callable[[str, bytes], None], is_stopping: Callable[[], bool]) -> None:
        """Hands (release, payload) of each announcement to `take` until `is_stopping`.

        Raises `redis.RedisError` when the connection ends or falls silent.
        """
        heard_s = pinged_s = time.monotonic()
        while not is_stopping():
            message = self._pubsub.get_message(timeout=_LOOK_S)
            now_s = time.monotonic()
            if message is not None:
                heard_s = now_s
                if message["type"] == "message":
                    take(self._channels[message["channel"]], message["data"])
            elif now_s - heard_s > _DEAD_AFTER_S:
                raise RedisConnectionError(f"silent for {_DEAD_AFTER_S} s")
            elif now_s - max(heard_s, pinged_s) > _PING_AFTER_S:
                self._pubsub.ping()
                pinged_s = now_s

    def close(self) -> None:
        """Closes both connections."""
        self._pubsub.close()
        self._redis.close()

    def _await_confirmation(self) -> None:
        message = self._pubsub.get_message(timeout=_SOCKET_S)
        if message is None or message["type"] != "subscribe":
            raise RedisConnectionError(f"expected a confirmed subscription within {_SOCKET_S} s, got {message!r}")
