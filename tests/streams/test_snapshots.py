import asyncio

import msgspec
import pytest

from trimtab.engine.ledger import Ledger
from trimtab.schemas.errors import NewerVersion
from trimtab.schemas.evidence import Spec, Tick
from trimtab.schemas.release import Release
from trimtab.streams.publication import Offer
from trimtab.streams.snapshots import Snapshots

NOW_MS = 1_700_000_000_000


def spec(name: str) -> Spec:
    document = {
        "apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": name},
        "spec": {
            "baseline": "v1", "variants": [{"name": "v1"}, {"name": "v2"}], "strategy": {"type": "bandit"},
        },
    }  # fmt: skip
    return Spec(release=name, document=Release.model_validate(document).document())


def ledger(*releases: str, ticks: int = 0) -> Ledger:
    made = Ledger()
    for offset, name in enumerate(releases):
        made.advance(offset, NOW_MS, spec(name))
    for tick in range(ticks):
        made.advance(len(releases) + tick, NOW_MS + 1000 * (tick + 1), Tick())
    return made


def offer(release: str, revision: int) -> Offer:
    return Offer(release, (7, revision), b"weights", b"decision", b"spec")


class Changelog:
    """An outbox that writes down what a changelog would get."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, int | None, bool]] = []

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, partition: int | None = None
    ) -> None:
        assert topic == "changelog"
        self.sent.append((key, partition, value is not None))


class Table:
    """The snapshots of one worker over its lives: a store that is kept, as a recovered table is."""

    def __init__(self) -> None:
        self.store: dict[bytes, bytes] = {}
        self.changelog = Changelog()
        self.snapshots = Snapshots(self.store, "changelog", self.changelog)  # type: ignore[arg-type]  # same calls

    def write(self, partition: int, generation: int, made: Ledger, offers: dict[str, Offer] | None = None) -> None:
        asyncio.run(self.snapshots.write(partition, generation, made, offers or {}))


@pytest.fixture
def table() -> Table:
    return Table()


def test_what_was_written_is_restored_with_its_offers(table: Table) -> None:
    made = ledger("cart", "checkout", ticks=3)
    table.write(0, 1, made, {"cart": offer("cart", 4)})
    restored, offers = table.snapshots.restore(0)
    assert restored.snapshot() == made.snapshot()
    assert {name: fold.snapshot() for name, fold in restored.releases.items()} == {
        name: fold.snapshot() for name, fold in made.releases.items()
    }
    assert offers == [offer("cart", 4)]


def test_the_greatest_offset_wins_whichever_generation_wrote_it(table: Table) -> None:
    newer, older = ledger("checkout", ticks=9), ledger("checkout", ticks=2)
    table.write(0, 5, newer, {"checkout": offer("checkout", 9)})
    # A worker of generation 4 wakes up and writes what it still has in hand.
    table.write(0, 4, older, {"checkout": offer("checkout", 2)})
    restored, offers = table.snapshots.restore(0)
    assert restored.offset == newer.offset
    assert restored.releases["checkout"].offset == newer.releases["checkout"].offset
    assert offers == [offer("checkout", 9)]


def test_older_generations_are_deleted_only_where_a_newer_entry_exists(table: Table) -> None:
    table.write(0, 1, ledger("cart", "checkout"))
    restored, _ = table.snapshots.restore(0)
    restored.advance(2, NOW_MS, spec("basket"))
    table.write(0, 2, restored)
    asyncio.run(table.snapshots.drop_older(0, 2))
    assert table.changelog.sent[-1] == (b"0//1", 0, False)
    assert sorted(table.store) == [b"0//2", b"0/basket/2", b"0/cart/1", b"0/checkout/1"]


def test_partitions_do_not_see_each_other(table: Table) -> None:
    table.write(1, 1, ledger("cart"))
    table.write(10, 1, ledger("checkout"))
    assert list(table.snapshots.restore(1)[0].releases) == ["cart"]
    assert table.snapshots.restore(0)[0].offset == -1


def test_the_ledger_is_written_after_the_releases_that_it_vouches_for(table: Table) -> None:
    table.write(3, 1, ledger("cart", "checkout"))
    assert table.changelog.sent == [(b"3/cart/1", 3, True), (b"3/checkout/1", 3, True), (b"3//1", 3, True)]


def test_what_is_no_snapshot_is_passed_over(table: Table) -> None:
    made = ledger("checkout", ticks=3)
    table.write(0, 1, made)
    junk = [b"", b"\x00\xff", b"\x92\xc4\x03abc\xc0"]
    table.store.update({f"0/checkout/{9 + number}".encode(): value for number, value in enumerate(junk)})
    restored, offers = table.snapshots.restore(0)
    assert (restored.snapshot(), offers) == (made.snapshot(), [])


def entry(table: Table, key: bytes) -> list[object]:
    fields: list[object] = msgspec.msgpack.decode(table.store[key])
    return fields


def test_an_entry_of_a_newer_version_is_refused_for_to_pass_over_it_would_be_to_begin_from_nothing(
    table: Table,
) -> None:
    table.write(0, 1, ledger("checkout", ticks=3))
    fold, offer_, version = entry(table, b"0/checkout/1")
    assert version == 1
    table.store[b"0/checkout/1"] = msgspec.msgpack.encode([fold, offer_, 2, "added"])
    with pytest.raises(NewerVersion, match="an entry of snapshots of version 2: expected at most 1"):
        table.snapshots.restore(0)


def test_an_entry_that_tells_no_version_is_of_the_first(table: Table) -> None:
    made = ledger("checkout", ticks=3)
    table.write(0, 1, made)
    for key in table.store:
        table.store[key] = msgspec.msgpack.encode(entry(table, key)[:2])
    assert table.snapshots.restore(0)[0].snapshot() == made.snapshot()
