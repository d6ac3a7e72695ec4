"""Who is sent to a variant is sent there again, shares stay true, and telemetry knows where everybody was sent."""

from collections import Counter

import aiohttp
import pytest

from conftest import Eventually
from sidecar.kafka_events import read_events
from sidecar.rig import Envoy, Rig
from sidecar.weights import ERA, weights
from trimtab.engine.ranges import moved
from trimtab.schemas.decision import Sticky, WeightsRecord
from trimtab.schemas.stickiness import Range, bucket_of, ranges_of, variant_at
from trimtab.schemas.telemetry import Kind
from trimtab.sidecar.envoy.sticky_filter import HEADER_BUCKET
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies]

USERS = [f"visitor-{number}" for number in range(200)]
BY_HEADER = Sticky(seed="checkout", header="X-User")
BY_COOKIE = Sticky(seed="checkout", cookie="visitor")


def sticky(revision: int, v2: int, ranges: list[Range] | None = None, by: Sticky = BY_HEADER) -> WeightsRecord:
    routing = {"sticky": by, "ranges": {"": ranges or ranges_of({"v1": 10_000 - v2, "v2": v2})}}
    return weights(revision=revision, routing=routing, v1=10_000 - v2, v2=v2)


def variants_of(rig: Rig, envoy: Envoy, users: list[str], each: int) -> dict[str, set[str]]:
    """User -> the services that answered."""

    async def asked() -> dict[str, set[str]]:
        seen: dict[str, set[str]] = {}
        async with aiohttp.ClientSession() as session:
            for _ in range(each):
                for user in users:
                    url, headers = f"http://127.0.0.1:{envoy.port}/", {"X-User": user}
                    async with session.get(url, headers=headers) as response:
                        assert response.status == 200
                        seen.setdefault(user, set()).add(await response.text())
        return seen

    return rig.world.call(asked())


def test_users_stay_where_they_are_while_weights_move(redis: EmbeddedRedis, eventually: Eventually) -> None:
    ranges = [("v1", 9_000), ("v2", 1_000)]
    with Rig(redis=redis.url) as rig:
        rig.publish(sticky(1, 1_000, ranges))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        for revision, (v2, each) in enumerate([(1_000, 50), (1_400, 5), (600, 5), (1_000, 5)], start=2):
            ranges = moved(ranges, {"v1": 10_000 - v2, "v2": v2})
            rig.publish(sticky(revision, v2, ranges))
            eventually(lambda: rig.report().in_force == (ERA, revision), what="the weights")  # noqa: B023
            seen = variants_of(rig, envoy, USERS, each)
            assert {user: {variant_at(ranges, bucket_of("checkout", user))} for user in USERS} == seen
            on_v2 = sum(variants == {"v2"} for variants in seen.values())
            assert abs(on_v2 - len(USERS) * v2 / 10_000) <= 0.02 * len(USERS)


def test_a_visitor_gets_a_cookie_and_is_sent_where_it_says_at_once(redis: EmbeddedRedis) -> None:
    async def visit(port: int) -> tuple[str, list[str], int]:
        """The cookie, the services that answered, and how often a cookie was set."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            cookie, services, given = "", [], 0
            for _ in range(4):
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    services.append(await response.text())
                    given += "visitor" in response.cookies
                    cookie = response.cookies["visitor"].value if "visitor" in response.cookies else cookie
            return cookie, services, given

    with Rig(redis=redis.url) as rig:
        rig.publish(sticky(1, 5_000, by=BY_COOKIE))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        found = [rig.world.call(visit(envoy.port)) for _ in range(60)]
    ranges = ranges_of({"v1": 5_000, "v2": 5_000})
    for cookie, services, given in found:
        assert given == 1
        assert services == [variant_at(ranges, bucket_of("checkout", cookie))] * 4
    assert 15 < sum(services[0] == "v2" for _, services, _ in found) < 45


def test_telemetry_names_the_variant_that_answered(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(sticky(3, 5_000))
        rig.start_sidecar()
        seen = variants_of(rig, rig.start_envoy(), USERS[:60], 2)
        events = read_events(kafka.bootstrap, 240)
    answered = Counter({name: 2 * sum(variants == {name} for variants in seen.values()) for name in ("v1", "v2")})
    for kind in (Kind.REQUEST, Kind.RESPONSE):
        assert Counter(event.key.variant for event in events if event.kind is kind) == answered
    assert {event.key.revision for event in events} == {3}
    started, ended = (sorted(e.time_ms for e in events if e.kind is kind) for kind in (Kind.REQUEST, Kind.RESPONSE))
    assert all(before <= after for before, after in zip(started, ended, strict=True))


def test_who_is_not_recognised_goes_by_weight(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(sticky(1, 5_000))
        rig.start_sidecar()
        answers = rig.ask(rig.start_envoy(), 200)
        assert 60 < sum(answer.service == "v2" for answer in answers) < 140


def test_nobody_can_choose_a_bucket(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(sticky(1, 5_000))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        key = next(user for user in USERS if bucket_of("checkout", user) < 5_000)
        answers = rig.ask(envoy, 20, **{"X-User": key, HEADER_BUCKET: "9999"})
        assert {answer.service for answer in answers} == {"v1"}
        answers = rig.ask(envoy, 100, **{HEADER_BUCKET: "9999"})
        assert {answer.service for answer in answers} == {"v1", "v2"}
        assert not any(HEADER_BUCKET in headers for name in ("v1", "v2") for headers in rig.world.seen[name])


def test_each_segment_has_ranges_of_its_own(redis: EmbeddedRedis) -> None:
    routing = {
        "sticky": BY_HEADER, "segment_conditions": {"phones": "header x-kind = phone"},
        "segments": {"phones": {"v1": 0, "v2": 10_000}},
        "ranges": {"": [("v1", 10_000)], "phones": [("v2", 10_000)]},
    }  # fmt: skip
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=10_000, v2=0, routing=routing))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        assert {a.service for a in rig.ask(envoy, 10, **{"X-User": "ann", "x-kind": "phone"})} == {"v2"}
        assert {a.service for a in rig.ask(envoy, 10, **{"X-User": "ann"})} == {"v1"}


def test_keys_of_any_bytes_and_length_have_the_bucket_of_their_bytes(redis: EmbeddedRedis) -> None:
    keys = ["a", "a" * 500, "ann@example.com", "Zoë", "()**(%$##$%#$#", "0"]
    ranges = ranges_of({"v1": 5_000, "v2": 5_000})
    with Rig(redis=redis.url) as rig:
        rig.publish(sticky(1, 5_000))
        rig.start_sidecar()
        seen = variants_of(rig, rig.start_envoy(), keys, 2)
    assert seen == {key: {variant_at(ranges, bucket_of("checkout", key))} for key in keys}
