"""A subscriber that trusts nobody: it writes down every weight that Redis shows it."""

import threading
from contextlib import suppress
from itertools import pairwise

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from faults.auditor import Account
from trimtab.schemas.decision import WeightsRecord, decode_weights
from trimtab.schemas.redis_keys import weights_channel

_LISTEN_S = 0.2


class Witness:
    """Listens to a release's channel in a thread of its own, and comes back after every outage."""

    def __init__(self, url: str, release: str) -> None:
        self._url = url
        self._release = release
        self._stop = threading.Event()
        self.seen: list[WeightsRecord] = []
        self._thread = threading.Thread(target=self._run, name="witness")
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(RedisError), Redis.from_url(self._url, socket_timeout=1, socket_connect_timeout=1) as redis:
                self._listen(redis)
            self._stop.wait(0.05)

    def _listen(self, redis: Redis) -> None:
        with redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(weights_channel(self._release))
            while not self._stop.is_set():
                message = channel.get_message(timeout=_LISTEN_S)
                if message:
                    self.seen.append(decode_weights(message["data"]))

    @property
    def newest(self) -> tuple[int, int]:
        """(era, revision) of the newest weights seen."""
        return max(((record.era, record.revision) for record in list(self.seen)), default=(0, 0))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def check(self, account: Account) -> None:
        """Fails where a revision went back, or weights were seen that nobody decided on."""
        revisions = [(record.era, record.revision) for record in self.seen]
        assert all(earlier <= later for earlier, later in pairwise(revisions)), "a revision went back"
        for record in self.seen:
            decision = account.decisions[record.release, record.era, record.revision]
            assert decision.weights == record.weights, msgspec.json.encode(record)
