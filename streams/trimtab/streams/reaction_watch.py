"""Tells releases how fast they are reacted to, where a guardrail of theirs asks for it.

It is told by a record of the evidence log, so that a decision may rest on it and a replay sees it where workers did.
What has nothing to tell says nothing: without traffic no record is written.
"""

import asyncio
from typing import Final

from trimtab.schemas.evidence import Reactions
from trimtab.streams.decide import Decide
from trimtab.streams.latency import Latency

_EVERY_S: Final = 1.0
_WAITS_MS: Final = 1_000
"""From which on it is told that an event waits: others are on their way."""


class ReactionWatch:
    """Tells every second, for one event loop."""

    def __init__(self, latency: Latency, decide: Decide) -> None:
        self._latency, self._decide = latency, decide

    async def tell_forever(self) -> None:
        """Tells until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            watched = self._decide.watched()
            self._latency.watch(watched)
            for release in watched:
                if told := reactions_of(self._latency, release):
                    await self._decide.tell(told)


def reactions_of(latency: Latency, release: str) -> Reactions | None:
    """Gives what there is to tell of a release since this was last asked; None where there is nothing."""
    took_ms, waiting_ms = latency.tell(release)
    if not took_ms and waiting_ms < _WAITS_MS:
        return None
    return Reactions(release=release, took_ms=took_ms, waiting_ms=waiting_ms if waiting_ms >= _WAITS_MS else 0)
