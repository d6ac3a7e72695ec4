"""Snapshots of an evidence partition in a Faust table, so that a worker that wakes from a long pause can harm none.

Keys are `PARTITION/RELEASE/GENERATION`, an empty release standing for the ledger itself. A worker writes under its own
generation of the consumer group only, and whoever restores takes the greatest offset of each release, whoever wrote
it. The releases that changed are written first and the ledger last: it vouches for them. Older generations are
deleted once newer ones are durable.
"""

import zlib
from collections.abc import Iterator

import faust
import msgspec
from trimtab.engine.ledger import Ledger
from trimtab.streams.publication import Offer


class _Stored(msgspec.Struct, array_like=True):
    fold: bytes
    """compressed"""
    offer: Offer | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


class Snapshots:
    """The snapshots of all evidence partitions of this worker."""

    def __init__(self, table: faust.Table) -> None:
        self._table = table

    def restore(self, partition: int) -> tuple[Ledger, list[Offer]]:
        """Gives the ledger of a partition as it was last written, with the newest offer of each of its releases."""
        by_release: dict[str, list[_Stored]] = {}
        for _, release, stored in self._entries(partition):
            by_release.setdefault(release, []).append(stored)
        ledgers = [zlib.decompress(stored.fold) for stored in by_release.pop("", [])]
        folds = [[zlib.decompress(stored.fold) for stored in known] for known in by_release.values()]
        offers = [
            max((stored.offer for stored in known if stored.offer), key=lambda offer: offer.id)
            for known in by_release.values()
            if any(stored.offer for stored in known)
        ]
        return Ledger.restore(ledgers, folds), offers

    def write(self, partition: int, generation: int, ledger: Ledger, offers: dict[str, Offer]) -> None:
        """Writes what changed. Has to be called while an event of the partition is in hand, by Faust's rule."""
        for name in ledger.take_changed():
            stored = _Stored(zlib.compress(ledger.releases[name].snapshot(), 1), offers.get(name))
            self._table[_key(partition, name, generation)] = _encode(stored)
        self._table[_key(partition, "", generation)] = _encode(_Stored(zlib.compress(ledger.snapshot(), 1), None))

    def drop_older(self, partition: int, generation: int) -> None:
        """Deletes entries of older generations for which a newer one exists."""
        entries = [(key, release) for key, release, _ in self._entries(partition)]
        own = {release for key, release in entries if key == _key(partition, release, generation)}
        for key, release in entries:
            if release in own and key != _key(partition, release, generation):
                del self._table[key]

    def _entries(self, partition: int) -> Iterator[tuple[bytes, str, _Stored]]:
        prefix = f"{partition}/".encode()
        for key, value in list(self._table.items()):
            if key.startswith(prefix):
                yield key, key.split(b"/")[1].decode(), _decode(value)


def _key(partition: int, release: str, generation: int) -> bytes:
    return f"{partition}/{release}/{generation}".encode()
