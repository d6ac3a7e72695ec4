"""A worker that stands behind weights and has nothing more to decide: its real publication, in a thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from trimtab.schemas.decision import WeightsRecord, encode
from trimtab.streams.publication import Offer, Publication
from trimtab.streams.settings import RedisSettings

_REPEAT_S = 0.1


@contextmanager
def vouching(redis: str, *records: WeightsRecord) -> Iterator[None]:
    """Publishes `records`, and announces them again and again while it lasts."""
    stop = Event()
    thread = Thread(target=lambda: asyncio.run(_publish(redis, records, stop)), name="worker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _publish(redis: str, records: tuple[WeightsRecord, ...], stop: Event) -> None:
    publication = Publication(RedisSettings(url=redis), _REPEAT_S)
    for record in records:
        publication.offer(Offer(record.release, record.id, encode(record), b"{}", b"{}"))
    publishing = asyncio.create_task(publication.publish_forever())
    await asyncio.to_thread(stop.wait)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await publication.close()
