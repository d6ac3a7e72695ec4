"""Visitors stay on their variant at HAProxy as they do at Envoy, by the same buckets."""

from collections import Counter
from typing import Any

import aiohttp
import pytest

from conftest import Eventually
from sidecar.haproxy_rig import HAProxyRig, needs_haproxy, release
from sidecar.kafka_events import read_events
from sidecar.weights import ERA, weights
from trimtab.engine.ranges import moved
from trimtab.schemas.decision import Sticky, WeightsRecord
from trimtab.schemas.stickiness import Range, bucket_of, ranges_of, variant_at
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies, needs_haproxy]

USERS = [f"visitor-{number} ü" for number in range(200)]
BY_HEADER = Sticky(seed="it's a 'seed'", header="X-User")
BY_COOKIE = Sticky(seed="checkout", cookie="visitor")


def record(revision: int, v2: int, ranges: list[Range] | None = None, by: Sticky = BY_HEADER) -> WeightsRecord:
    routing = {"sticky": by, "ranges": {"": ranges or ranges_of({"v1": 10_000 - v2, "v2": v2})}}
    return weights(revision=revision, routing=routing, v1=10_000 - v2, v2=v2)


def rig_of(redis: EmbeddedRedis, by: dict[str, str], **options: Any) -> HAProxyRig:
    return HAProxyRig(redis=redis.url, releases=(release(stickiness=by),), **options)


def services(rig: HAProxyRig, users: list[str]) -> dict[str, tuple[str, str, str]]:
    """User -> the service that answered, and the variant and the revision that the answer names."""

    async def asked() -> dict[str, tuple[str, str, str]]:
        seen = {}
        async with aiohttp.ClientSession() as session:
            for user in users:
                url, headers = f"http://127.0.0.1:{rig.port}/", {"X-User": user}
                async with session.get(url, headers=headers) as response:
                    told = response.headers
                    seen[user] = (await response.text(), told["x-trimtab-variant"], told["x-trimtab-revision"])
        return seen

    return rig.world.call(asked())


def test_users_are_where_their_buckets_say_while_weights_move(redis: EmbeddedRedis, eventually: Eventually) -> None:
    ranges = [("v1", 9_000), ("v2", 1_000)]
    servers = ("at-v1.1", "at-v1.2", "at-v2")
    with rig_of(redis, {"header": "X-User", "seed": BY_HEADER.seed}, servers=servers) as rig:
        rig.start_haproxy()
        rig.start_sidecar()
        for revision, v2 in enumerate([1_000, 1_500, 600, 0], start=1):
            ranges = moved(ranges, {"v1": 10_000 - v2, "v2": v2})
            rig.publish(published := record(revision, v2, ranges))
            eventually(lambda: rig.has(published), what="the weights")
            expected = {user: variant_at(ranges, bucket_of(BY_HEADER.seed, user)) for user in USERS}
            stamp = f"{ERA}.{revision}"
            assert services(rig, USERS) == {user: (at, at, stamp) for user, at in expected.items()}
            eventually(lambda: rig.report().shares == {"v1": 10_000 - v2, "v2": v2}, what="true shares")  # noqa: B023


def test_who_has_no_header_goes_by_weight(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with rig_of(redis, {"header": "X-User", "seed": BY_HEADER.seed}) as rig:
        rig.start_haproxy()
        rig.publish(published := record(1, 5_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(published), what="the weights")
        answers = rig.ask(100)
        assert abs(Counter(answer.service for answer in answers)["v1"] - 50) <= 2
        assert {answer.revision for answer in answers} == {f"{ERA}.1"}


def test_a_visitor_gets_a_cookie_and_is_sent_where_it_says_at_once(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    async def visit(port: int) -> tuple[str, list[str], int]:
        """The cookie, the services that answered, and how often a cookie was set."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            cookie, seen, given = "", [], 0
            for _ in range(4):
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    seen.append(await response.text())
                    given += "visitor" in response.cookies
                    cookie = response.cookies["visitor"].value if "visitor" in response.cookies else cookie
            return cookie, seen, given

    with rig_of(redis, {"cookie": "visitor"}, kafka=kafka.bootstrap) as rig:
        rig.start_haproxy()
        rig.publish(published := record(1, 5_000, by=BY_COOKIE))
        rig.start_sidecar()
        eventually(lambda: rig.has(published), what="the weights")
        ranges = published.ranges[""]
        found = [rig.world.call(visit(rig.port)) for _ in range(40)]
        assert {given for _, _, given in found} == {1}
        for cookie, seen, _ in found:
            assert set(seen) == {variant_at(ranges, bucket_of("checkout", cookie))}
        events = read_events(kafka.bootstrap, 320)
        told = Counter(event.key.variant for event in events)
        assert told == Counter(
            {at: 2 * count for at, count in Counter(at for _, seen, _ in found for at in seen).items()}
        )
        assert {event.key.revision for event in events} == {1}


def test_a_configuration_for_another_stickiness_is_told(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with rig_of(redis, {"cookie": "visitor"}) as rig:
        rig.start_haproxy()
        rig.publish(record(1, 5_000, by=BY_HEADER))
        rig.start_sidecar()
        eventually(lambda: "stickiness: haproxy has no backend" in rig.report().refused, what="a refusal")
        assert rig.weights() == {"at-v1": 256, "at-v2": 0}


def test_a_release_that_keeps_nobody_any_more_goes_by_weight(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with rig_of(redis, {"header": "X-User", "seed": BY_HEADER.seed}) as rig:
        rig.start_haproxy()
        rig.publish(record(1, 0))
        rig.start_sidecar()
        rig.publish(published := weights(revision=2, v1=0, v2=10_000))
        eventually(lambda: rig.has(published), what="the weights")
        assert {service for service, _, _ in services(rig, USERS[:20]).values()} == {"v2"}
