"""Snapshots of an evidence partition in a Faust table, so that a worker that wakes from a long pause can harm none.

Keys are `PARTITION/RELEASE/GENERATION`, an empty release standing for the ledger itself. A worker writes under its own
generation of the consumer group only, and whoever restores takes the greatest offset of each release, whoever wrote
it. The releases that changed are written first and the ledger last: it vouches for them. Older generations are
deleted once newer ones are durable.
"""

import asyncio
import time
import zlib
from collections.abc import Iterator, MutableMapping
from typing import Final

import msgspec
import structlog

from trimtab.engine.ledger import Ledger
from trimtab.engine.policy.build import NO_FACTORIES, Factories
from trimtab.schemas.errors import NewerVersion
from trimtab.schemas.version import Version
from trimtab.streams.edge import Outbox
from trimtab.streams.publication import Offer

_VERSION: Final = 1


class _Stored(msgspec.Struct, array_like=True):
    fold: bytes
    """compressed, as it is stored"""
    offer: Offer | None
    v: Version = _VERSION


_log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class Snapshots:
    """The snapshots of all evidence partitions of this worker.

    Reads are Faust's: it recovers the table before the first record. Writes go to the changelog by our own producer
    calls, because Faust's flush gives up after 100 ms without a word, and a commit must never be ahead of them.
    """

    def __init__(
        self, store: MutableMapping[bytes, bytes], changelog: str, outbox: Outbox, factories: Factories = NO_FACTORIES
    ) -> None:
        """`store` is what the table keeps, `changelog` the topic that it is recovered from.

        `factories`: policies that users bring, for the ledgers that are restored.
        """
        self._factories = factories
        self._store = store
        self._changelog = changelog
        self._outbox = outbox

    def has(self, partition: int) -> bool:
        """Whether there is anything to restore of a partition."""
        return any(True for _ in self._entries(partition))

    def restore(self, partition: int) -> tuple[Ledger, list[Offer]]:
        """Gives the ledger of a partition as it was last written, with the newest offer of each of its releases.

        Raises `NewerVersion` for an entry of a newer Trimtab: to pass over it would be to begin from nothing.
        """
        by_release: dict[str, list[_Stored]] = {}
        for key, release, value in self._entries(partition):
            stored = _read(key, value)
            if stored is not None:
                by_release.setdefault(release, []).append(stored)
        ledgers = [stored.fold for stored in by_release.pop("", [])]
        folds = [[stored.fold for stored in known] for known in by_release.values()]
        offers = [
            max((stored.offer for stored in known if stored.offer), key=lambda offer: offer.id)
            for known in by_release.values()
            if any(stored.offer for stored in known)
        ]
        return Ledger.restore(ledgers, folds, self._factories), offers

    async def write(self, partition: int, generation: int, ledger: Ledger, offers: dict[str, Offer]) -> float:
        """Writes what changed, and gives the seconds it took; it is durable once the outbox is settled.

        Whoever else has work gets a turn between two releases, but nobody may advance the ledger meanwhile.
        """
        spent_s = 0.0
        for name in [*ledger.take_changed(), ""]:
            started_s = time.monotonic()
            fold = ledger.releases[name].snapshot() if name else ledger.snapshot()
            stored = _Stored(zlib.compress(fold, 1), offers.get(name))
            await self._put(partition, _key(partition, name, generation), _encode(stored))
            spent_s += time.monotonic() - started_s
            await asyncio.sleep(0)
        return spent_s

    async def drop_older(self, partition: int, generation: int) -> None:
        """Deletes entries of older generations for which a newer one exists."""
        entries = [(key, release) for key, release, _ in self._entries(partition)]
        own = {release for key, release in entries if key == _key(partition, release, generation)}
        for key, release in entries:
            if release in own and key != _key(partition, release, generation):
                del self._store[key]
                await self._outbox.send(self._changelog, None, key=key, partition=partition)

    async def _put(self, partition: int, key: bytes, value: bytes) -> None:
        self._store[key] = value
        await self._outbox.send(self._changelog, value, key=key, partition=partition)

    def _entries(self, partition: int) -> Iterator[tuple[bytes, str, bytes]]:
        prefix = f"{partition}/".encode()
        for key, value in list(self._store.items()):
            if key.startswith(prefix):
                yield key, key.split(b"/")[1].decode(errors="replace"), value


def _read(key: bytes, value: bytes) -> _Stored | None:
    """Gives an entry with its fold as it was before it was compressed; None, with a word, for what is no entry."""
    try:
        stored = _decode(value)
        if stored.v > _VERSION:
            raise NewerVersion("an entry of snapshots", stored.v, _VERSION)
        return _Stored(zlib.decompress(stored.fold), stored.offer)
    except (msgspec.DecodeError, zlib.error) as error:
        _log.warning("snapshot_unreadable", key=repr(key), error=str(error))
        return None


def _key(partition: int, release: str, generation: int) -> bytes:
    return f"{partition}/{release}/{generation}".encode()
