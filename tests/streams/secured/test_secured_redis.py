"""Everything that talks to Redis, on genuine ones with users, TLS, Sentinel and Cluster."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from redis.crc import key_slot

from conftest import Eventually
from streams.secured.certificates import KEY_PASSWORD, Certificates
from streams.secured.redis_servers import SLOTS, Sentinels, cluster
from streams.secured.system import System
from trimtab.client import Weights
from trimtab.control.release_view import Releases
from trimtab.schemas.decision import Phase, WeightsRecord, encode
from trimtab.schemas.errors import Refused
from trimtab.schemas.redis_client import open_redis
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import weights_key
from trimtab.schemas.sidecar import SidecarReport
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.sidecar.report import ReportDesk
from trimtab.streams.embedded import EmbeddedKafka
from trimtab.streams.layout import embedded_topics
from trimtab.streams.local import LocalRedis
from trimtab.streams.publication import Offer, Publication
from trimtab.streams.reach import ping_redis
from trimtab.streams.setting_table import markdown
from trimtab.streams.settings_source import read_settings

pytestmark = pytest.mark.local

RELEASES = ("checkout", "cart", "search", "login", "basket", "prices")
"""in all three parts of the Cluster"""
PASSWORD, OTHER, SENTINEL, WRONG = "sesame-" + "1", "sesame-" + "2", "sesame-" + "3", "sesame-" + "4"


def redis_of(**variables: str) -> RedisConnection:
    return read_settings(variables={f"TRIMTAB_REDIS__{name}": value for name, value in variables.items()}).redis


def record(release: str, revision: int) -> WeightsRecord:
    return WeightsRecord(
        release=release, era=7, revision=revision, time_ms=1, phase=Phase.PROGRESSING, weights={"v1": 10_000},
        targets={"v1": "v1"},
    )  # fmt: skip


class Publishing:
    """A `Publication` on an event loop of its own, as a worker has one."""

    def __init__(self, redis: RedisConnection) -> None:
        self._loop = asyncio.new_event_loop()
        self._publication = Publication(redis)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._stop: asyncio.Event = asyncio.Event()

    async def _run(self) -> None:
        task = asyncio.create_task(self._publication.publish_forever())
        await self._stop.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._publication.close()

    def offer(self, release: str, revision: int) -> None:
        payload = encode(record(release, revision))
        offered = Offer(release, (7, revision), payload, b"{}", b"{}")
        self._loop.call_soon_threadsafe(self._publication.offer, offered)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


@contextmanager
def flowing(redis: RedisConnection, eventually: Eventually) -> Iterator[tuple[Publishing, Weights]]:
    """Has weights flow from a worker's publication to a client, and everybody else do their part."""
    ping_redis(redis, 5)
    with Publishing(redis) as publishing, Weights(redis, RELEASES) as weights:
        eventually(lambda: weights.connected, what="a subscription")
        flow(publishing, weights, 1, eventually)
        assert Releases(redis).names() == sorted(RELEASES)
        asyncio.run(report(redis))
        yield publishing, weights


def flow(publishing: Publishing, weights: Weights, revision: int, eventually: Eventually) -> None:
    for release in RELEASES:
        publishing.offer(release, revision)
    eventually(lambda: newest(weights) == {revision}, what=f"revision {revision} of every release")


def newest(weights: Weights) -> set[int]:
    return {found.revision if (found := weights.get(release)) else 0 for release in RELEASES}


async def report(redis: RedisConnection) -> None:
    desk = ReportDesk(redis, SidecarMetrics())
    reports = [
        SidecarReport(
            sidecar="s", proxy="envoy", release=release, in_force=(7, 1), offered=(7, 1), refused="", refusals=0,
            events=0, dropped=0, unattributed=0, time_ms=1,
        )
        for release in RELEASES
    ]  # fmt: skip
    assert await desk.write(reports)
    await desk.close()


RIGHTS = (
    "~trimtab:* &trimtab:* +@read +@write +@pubsub +@connection +eval +info +role"
    " +cluster|slots +cluster|shards +cluster|nodes +command"
)
"""As docs/settings.md has them."""


def users(folder: Path, rights: str = RIGHTS, default: str = "off") -> Path:
    """Gives an ACL file with the user `trimtab`."""
    file = folder / "users.acl"
    file.write_text(f"user default {default}\nuser trimtab on >{PASSWORD} {rights}\n")
    return file


def users_of_servers(folder: Path) -> Path:
    """As `users`; the servers among themselves are the user `default`, whose password is `OTHER`."""
    return users(folder, default=f"on >{OTHER} ~* &* +@all")


def test_weights_flow_for_an_acl_user_with_no_more_than_the_rights_it_needs(
    tmp_path: Path, eventually: Eventually
) -> None:
    with LocalRedis(["--aclfile", str(users(tmp_path))]) as server:
        redis = redis_of(URL=server.url, USERNAME="trimtab", PASSWORD=PASSWORD)
        with flowing(redis, eventually) as (publishing, weights):
            flow(publishing, weights, 2, eventually)


def test_the_rights_are_those_of_the_documentation() -> None:
    documented = " ".join(markdown().split()).replace("`, with a Cluster also `", " ")
    assert f"In Redis: `{RIGHTS}`" in documented


@pytest.mark.parametrize(("user", "secret"), [("trimtab", WRONG), ("nobody", PASSWORD), ("", "")])
def test_a_user_that_redis_does_not_let_in_is_told_the_setting_and_not_the_password(
    user: str, secret: str, tmp_path: Path
) -> None:
    with LocalRedis(["--aclfile", str(users(tmp_path))]) as server:
        redis = redis_of(URL=server.url, USERNAME=user, PASSWORD=secret)
        with pytest.raises(Refused) as refused:
            ping_redis(redis, 5)
    assert f"redis at 127.0.0.1:{server.port}: " in str(refused.value)
    assert "redis.password (TRIMTAB_REDIS__PASSWORD)" in str(refused.value)
    assert WRONG not in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.fixture
def tls_redis(certificates: Certificates) -> Iterator[LocalRedis]:
    """A Redis that speaks TLS alone on a second port, with certificates on both sides."""
    server = LocalRedis()
    arguments = ["--tls-port", str(server.port), "--port", "0", "--tls-ca-cert-file", str(certificates.ca),
                 "--tls-cert-file", str(certificates.server.certificate), "--requirepass", PASSWORD,
                 "--tls-key-file", str(certificates.server.key), "--tls-auth-clients", "yes"]  # fmt: skip
    server._arguments += arguments
    with server:
        yield server


def over_tls(server: LocalRedis, certificates: Certificates) -> dict[str, str]:
    return {
        "URL": server.url.replace("redis:", "rediss:"),
        "PASSWORD": PASSWORD,
        "TLS__CA_FILE": str(certificates.ca),
        "TLS__CERT_FILE": str(certificates.client.certificate),
        "TLS__KEY_FILE": str(certificates.client.key),
        "TLS__KEY_PASSWORD": KEY_PASSWORD,
    }


def test_weights_flow_over_mutual_tls(
    tls_redis: LocalRedis, certificates: Certificates, eventually: Eventually
) -> None:
    redis = redis_of(**over_tls(tls_redis, certificates))
    with flowing(redis, eventually) as (publishing, weights):
        flow(publishing, weights, 2, eventually)


def test_a_server_of_another_authority_is_not_trusted(tls_redis: LocalRedis, certificates: Certificates) -> None:
    variables = over_tls(tls_redis, certificates) | {"TLS__CA_FILE": str(certificates.stranger.certificate)}
    with pytest.raises(Refused, match=r"redis.tls.ca_file \(TRIMTAB_REDIS__TLS__CA_FILE\)"):
        ping_redis(redis_of(**variables), 5)


def test_weights_go_on_when_sentinels_replace_a_killed_master(tmp_path: Path, eventually: Eventually) -> None:
    with Sentinels(OTHER, SENTINEL, users_of_servers(tmp_path)) as sentinels:
        redis = redis_of(URL=sentinels.url, USERNAME="trimtab", PASSWORD=PASSWORD, SENTINEL_PASSWORD=SENTINEL)
        with flowing(redis, eventually) as (publishing, weights):
            sentinels.master.kill()
            flow(publishing, weights, 2, eventually)
            with open_redis(redis, 5) as client:
                assert client.info("replication")["role"] == "master"


def test_a_wrong_password_of_the_sentinels_is_refused(tmp_path: Path) -> None:
    with Sentinels(OTHER, SENTINEL, users_of_servers(tmp_path)) as sentinels:
        redis = redis_of(URL=sentinels.url, USERNAME="trimtab", PASSWORD=PASSWORD, SENTINEL_PASSWORD=WRONG)
        with pytest.raises(Refused, match="TRIMTAB_REDIS__SENTINEL_PASSWORD") as refused:
            ping_redis(redis, 5)
    assert WRONG not in str(refused.value)


def test_the_releases_of_these_tests_lie_in_all_parts_of_the_cluster() -> None:
    assert {key_slot(weights_key(release).encode()) * 3 // SLOTS for release in RELEASES} == {0, 1, 2}


def test_weights_flow_through_a_cluster_also_when_one_of_its_nodes_was_away(
    tmp_path: Path, eventually: Eventually
) -> None:
    with cluster(OTHER, users_of_servers(tmp_path)) as nodes:
        urls = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        redis = redis_of(URL=f"redis+cluster://{urls}", USERNAME="trimtab", PASSWORD=PASSWORD)
        with flowing(redis, eventually) as (publishing, weights):
            flow(publishing, weights, 2, eventually)
            nodes[1].stop()
            nodes[1].start()
            flow(publishing, weights, 3, eventually)


def whole_system(folder: Path, **redis: str) -> None:
    with EmbeddedKafka(embedded_topics()) as kafka:
        variables = {"KAFKA__BOOTSTRAP": kafka.bootstrap, "KAFKA__SESSION_TIMEOUT_S": "2", "KAFKA__HEARTBEAT_S": "0.4"}
        with System(folder, variables | {f"REDIS__{name}": value for name, value in redis.items()}) as system:
            system.run()


def test_events_are_counted_and_shown_with_a_cluster(tmp_path: Path) -> None:
    with cluster(OTHER, users_of_servers(tmp_path)) as nodes:
        urls = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        whole_system(tmp_path, URL=f"redis+cluster://{urls}", USERNAME="trimtab", PASSWORD=PASSWORD)


def test_events_are_counted_and_shown_with_sentinels(tmp_path: Path) -> None:
    with Sentinels(OTHER, SENTINEL, users_of_servers(tmp_path)) as sentinels:
        whole_system(tmp_path, URL=sentinels.url, USERNAME="trimtab", PASSWORD=PASSWORD, SENTINEL_PASSWORD=SENTINEL)
