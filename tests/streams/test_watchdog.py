import asyncio

import pytest

from trimtab.streams.app import create_app
from trimtab.streams.settings import KafkaSettings
from trimtab.streams.watchdog import Abandoned, Watchdog


def test_a_worker_without_an_assignment_is_ended_when_patience_is_over() -> None:
    async def watch() -> None:
        await asyncio.wait_for(Watchdog(create_app(KafkaSettings()), patience_s=0.1).watch(), 60)

    with pytest.raises(Abandoned, match=r"no assignment for \d+ s, allowed 0 s"):
        asyncio.run(watch())


def test_an_assignment_ends_the_waiting_even_when_it_is_empty() -> None:
    async def watch() -> Watchdog:
        app = create_app(KafkaSettings())
        watchdog = Watchdog(app, patience_s=0.1)
        await app.on_partitions_assigned.send(set())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watchdog.watch(), 1)
        return watchdog

    assert asyncio.run(watch()).is_assigned


def test_losing_the_assignment_starts_the_waiting_anew() -> None:
    async def watch() -> None:
        app = create_app(KafkaSettings())
        watchdog = Watchdog(app, patience_s=0.1)
        await app.on_partitions_assigned.send(set())
        await app.on_partitions_revoked.send(set())
        await asyncio.wait_for(watchdog.watch(), 60)

    with pytest.raises(Abandoned):
        asyncio.run(watch())
