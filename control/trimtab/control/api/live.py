"""All that answers rest on, made once and handed to the routes."""

import asyncio
import contextlib
from typing import Final

import structlog

from trimtab.control.api.hub import Hub
from trimtab.control.api.newest import Newest
from trimtab.control.api.ring import Rings
from trimtab.control.api.tail import Tail
from trimtab.control.api.threads import Threads
from trimtab.control.api.watching import Watching
from trimtab.schemas.decision import Decision, encode
from trimtab.schemas.errors import Unreachable
from trimtab.streams.settings import Settings

_SIDECARS_S: Final = 2.0
"""How often viewers are told of sidecars, at most."""
_log = structlog.get_logger()


class Live:
    """What is known of releases now, and who is told of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.rings = Rings()
        self.hub = Hub(self.rings)
        self.threads = Threads(settings.kafka)
        self.newest = Newest(settings.redis, self.rings, self.threads)
        self.watching = Watching(self.hub, self.newest, self.threads)
        self.tail = Tail(settings.kafka, self.hub)
        self._sidecars: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow decisions and sidecars."""
        self.tail.start()
        self._sidecars = asyncio.create_task(self._follow_sidecars())

    async def stop(self) -> None:
        """Ends all of it."""
        self.hub.close()
        if self._sidecars is not None:
            self._sidecars.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sidecars
        await self.tail.stop()
        await asyncio.to_thread(self.threads.close)

    def remember(self, decision: Decision) -> None:
        """Keeps the newest decision of a release of which the recent past of the topic has none.

        Without it everybody who looks at it would have Kafka asked what came after.
        """
        if not self.tail.trouble and self.rings.newest(decision.release) is None:
            self.rings.add(decision, encode(decision))

    async def _follow_sidecars(self) -> None:
        is_away = False
        while True:
            try:
                await self.watching.refresh_sidecars()
                is_away = False
            except Unreachable as error:
                if not is_away:
                    _log.warning("sidecars_unreachable", error=str(error))
                is_away = True
            await asyncio.sleep(_SIDECARS_S)
