"""Whether the server is to be restarted (`/livez`), and whether it can answer (`/readyz`)."""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from confluent_kafka import KafkaException
from fastapi import APIRouter
from starlette.responses import Response

from trimtab.control.api.live import Live
from trimtab.control.api.reading import answer
from trimtab.schemas.errors import Unreachable
from trimtab.streams.kafka_reach import Admin
from trimtab.streams.reach import ping_redis

_ASK_S: Final = 2.0
_FRESH_S: Final = 1.0


class Health:
    """Asks Kafka and Redis, at most once a second, however many ask us."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._asked_at_s = float("-inf")
        self._troubles: dict[str, str] = {}
        self._asking = asyncio.Lock()
        self._admin = Admin(live.settings.kafka)

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(tags=["health"])
        routes.add_api_route("/livez", self.livez, response_class=Response)
        routes.add_api_route("/readyz", self.readyz, response_class=Response)
        return routes

    async def livez(self) -> Response:
        """Tell that the server answers."""
        return _told({})

    async def readyz(self) -> Response:
        """Tell whether Kafka and Redis answer, and whether the newest decisions are read."""
        async with self._asking:
            if time.monotonic() - self._asked_at_s > _FRESH_S:
                kafka, redis = await asyncio.gather(
                    self._live.threads.run(_trouble, self._ask_kafka), self._live.threads.run(_trouble, self._ask_redis)
                )
                self._troubles = {"kafka": kafka, "redis": redis}
                self._asked_at_s = time.monotonic()
        return _told({**self._troubles, "decisions": self._live.tail.trouble})

    def _ask_kafka(self) -> None:
        try:
            self._admin.client.list_topics(timeout=_ASK_S)
        except KafkaException as error:
            raise self._admin.failure(error) from error

    def _ask_redis(self) -> None:
        ping_redis(self._live.settings.redis, _ASK_S)


def _trouble(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Unreachable as error:
        return str(error)
    return ""


def _told(troubles: dict[str, str]) -> Response:
    is_ok = not any(troubles.values())
    conditions = {
        name: {"met": False, "reason": trouble} if trouble else {"met": True} for name, trouble in troubles.items()
    }
    return answer(
        {"ok": is_ok, "conditions": conditions}, status=HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE
    )
