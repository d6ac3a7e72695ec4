"""Waiting at start for the servers that are needed, within bounds, with a word about which one is missing."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from trimtab.schemas.errors import Refused, Unreachable
from trimtab.schemas.redis_client import REDIS_FAILURES, open_redis
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.streams.redis_reach import redis_failure

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 3.0
_TIMEOUT_S: Final = 2.0
_log = structlog.get_logger()


def wait_for(what: str, attempt: Callable[[float], object], wait_s: float) -> None:
    """Calls `attempt` with a timeout until it does not raise `Unreachable`; after `wait_s` the error is raised.

    It is the newest refusal where there was one, which says more than that a later try had no answer in time. Pauses
    double from 0.2 s to 3 s. `what` names the server in the log.
    """
    end_s, pause_s = time.monotonic() + wait_s, _FIRST_PAUSE_S
    failure = Unreachable(f"{what}: not asked")
    while True:
        try:
            attempt(min(_TIMEOUT_S, max(0.5, end_s - time.monotonic())))
        except Unreachable as error:
            failure = failure if isinstance(failure, Refused) and not isinstance(error, Refused) else error
        else:
            return
        if time.monotonic() + pause_s > end_s:
            raise failure
        _log.warning("waiting_for_server", server=what, error=str(failure), next_try_s=pause_s)
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def ping_redis(redis: str | RedisConnection, timeout_s: float) -> None:
    """Raises `Unreachable` when Redis does not answer, `Refused` when it does not let us in."""
    connection = RedisConnection.of(redis)
    try:
        with open_redis(connection, timeout_s) as client:
            client.ping()
    except REDIS_FAILURES as error:
        raise redis_failure(connection, error) from error
