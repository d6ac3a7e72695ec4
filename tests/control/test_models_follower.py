"""What a follower of the catalogue does where something is in its way: a revocation is obeyed all the same.

Orders go to a list in place of Kafka; `test_models_follow.py` has workers that obey them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from structlog.testing import capture_logs

from catalog.builders import digits, put
from control.decisions import arm, decision
from trimtab.catalog.entry import Change, Written
from trimtab.catalog.figure import MAX_SERIES, Figure
from trimtab.catalog.node import Deployment
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.control import models_follow
from trimtab.control.models_follow import Follower
from trimtab.control.steer import NotTaken
from trimtab.schemas import decision as decisions
from trimtab.schemas import release_file
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.evidence import Command
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.redis_keys import RELEASES, weights_key
from trimtab.streams.embedded import EmbeddedRedis
from trimtab.streams.settings import RedisSettings, Settings

FIRST = ModelRef("model/digits:1")
RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: NAME}
spec:
  baseline: v2
  variants: [{name: v1, model: {ref: "digits:1"}}, {name: v2, model: {ref: "digits:2"}}]
  strategy: {type: bandit}
"""


class Orders:
    """What was ordered; the first ones may come to nothing."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.failures: list[Exception] = []

    def steer(self, command: Command, **_: object) -> Decision:
        self.given.append(f"{command.release}: {command.action} {command.variant}")
        if self.failures:
            raise self.failures.pop(0)
        return decision(release=command.release)


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Orders:
    made = Orders()
    monkeypatch.setattr(models_follow, "steer", made.steer)
    return made


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with EmbeddedRedis() as server, Redis.from_url(server.url) as client:
        for name in ("letters", "mail"):
            document = release_file.load(RELEASE.replace("NAME", name), "f")[0].document()
            document = document.replace(b'"spec":{', b'"spec":{"levitation":1,') if name == "letters" else document
            arms = [arm("v1", weight=5_000), arm("v2", weight=5_000)]
            made = decision(release=name, weights={"v1": 5_000, "v2": 5_000}, arms=arms)
            client.hset(weights_key(name), mapping={"decision": decisions.encode(made), "spec": document})
            client.sadd(RELEASES, name)
        yield server.url


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "catalog.db")
    put(opened, *[one for one in digits() if not isinstance(one, Deployment)])
    yield opened
    opened.close()


def follower(store: SqliteStore, redis: str) -> Follower:
    return Follower(store, Settings(redis=RedisSettings(url=redis)))


def revoke(store: SqliteStore) -> None:
    store.write(Change(revoked={FIRST: "wrong"}))


def test_a_release_that_cannot_be_read_keeps_no_other_from_being_followed(
    store: SqliteStore, redis: str, orders: Orders
) -> None:
    revoke(store)
    one = follower(store, redis)
    with capture_logs() as lines:
        one.look()
        put(store, *digits(), time_s=2_000)
        one.look()
    assert orders.given == ["mail: exclude v1"]
    assert [line["release"] for line in lines if line["event"] == "models_release_unread"] == ["letters"]


def test_an_order_that_reached_nobody_is_given_again_and_one_that_waits_is_not(
    store: SqliteStore, redis: str, orders: Orders
) -> None:
    revoke(store)
    one = follower(store, redis)
    orders.failures = [Unreachable("kafka is away"), NotTaken(0, 7, 10.0)]
    with pytest.raises(Unreachable, match="kafka is away"):
        one.look()
    with pytest.raises(Unreachable, match="no worker has taken the order"):
        one.look()
    one.look()
    assert orders.given == ["mail: exclude v1"] * 2


def test_a_catalogue_that_cannot_be_written_is_still_followed(tmp_path: Path, redis: str, orders: Orders) -> None:
    class Full(SqliteStore):
        is_full = False

        def write(self, change: Change) -> Written:
            if self.is_full:
                raise Unreachable("catalogue: database or disk is full")
            return super().write(change)

    store = Full(tmp_path / "catalog.db")
    put(store, *[one for one in digits() if not isinstance(one, Deployment)])
    revoke(store)
    store.is_full = True
    with pytest.raises(Unreachable, match="disk is full"):
        follower(store, redis).look()
    assert orders.given == ["mail: exclude v1"]
    store.close()


def test_figures_that_the_catalogue_refuses_are_told_once(store: SqliteStore, redis: str, orders: Orders) -> None:
    one = follower(store, redis)
    one.look()
    deployment = ModelRef("deployment/mail.v2.0-0")
    known = len(store.changes().figures[deployment])
    many = tuple(Figure(metric=f"m{at}", value=at) for at in range(MAX_SERIES - known))
    store.write(Change(figures={deployment: many}, time_s=1))
    store.write(Change(figures={FIRST: (Figure(metric="accuracy", value=0.5),)}, time_s=1))
    late = decision(
        release="mail", time_ms=decision().time_ms + 600_000, weights={"v1": 5_000, "v2": 5_000},
        arms=[arm("v1", weight=5_000), arm("v2", weight=5_000, metrics={"qoe": 1.0})],
    )  # fmt: skip
    with Redis.from_url(redis) as client:
        client.hset(weights_key("mail"), "decision", decisions.encode(late))
    with capture_logs() as lines:
        for accuracy in (0.6, 0.7):
            store.write(Change(figures={FIRST: (Figure(metric="accuracy", value=accuracy),)}, time_s=2))
            one.look()
    told = [line["error"] for line in lines if line["event"] == "models_unrecorded"]
    assert told == [f"{deployment}: expected at most {MAX_SERIES} metrics and segments"]
    revoke(store)
    one.look()
    assert orders.given == ["mail: exclude v1"]
