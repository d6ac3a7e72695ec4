"""Conditions in weights decide, in a real Envoy, where requests go and what is told of them."""

import math
from collections import Counter

import pytest

from sidecar.kafka_events import read_events
from sidecar.rig import Rig
from sidecar.weights import ERA, claim, weights
from trimtab.schemas.telemetry import Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration

CANARY = {"X-Canary": "1"}
ANDROID = {"User-Agent": "Mozilla/5.0 (Linux; Android 15)"}
SHOP = {"Host": "shop.example"}


def test_claims_segments_and_the_route_decide_where_a_request_goes(redis: EmbeddedRedis) -> None:
    routing = {
        "condition": "host = shop.example", "baseline": "v1",
        "claims": [claim("v3", "has header X-Canary")],
        "segment_conditions": {"mobile": "user-agent = android"},
        "segments": {"mobile": {"v1": 0, "v2": 10_000, "v3": 0}},
    }  # fmt: skip
    with Rig(redis=redis.url, variants=("v1", "v2", "v3")) as rig:
        rig.publish(weights(revision=57, v1=10_000, v2=0, v3=0, routing=routing))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        asked = {name: rig.ask(envoy, 5, **headers) for name, headers in {
            "plain": SHOP, "mobile": SHOP | ANDROID, "claimed": SHOP | ANDROID | CANARY, "outside": ANDROID | CANARY,
        }.items()}  # fmt: skip
    told = {name: {(a.service, a.variant, a.revision) for a in answers} for name, answers in asked.items()}
    assert told == {
        "plain": {("v1", "v1", f"{ERA}.57")},
        "mobile": {("v2", "v2", f"{ERA}.57")},
        "claimed": {("v3", "v3", "0.0")},
        "outside": {("v1", "", "")},
    }


def test_a_claim_takes_its_share_and_the_rest_goes_by_weight(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=8_000, v2=2_000, routing={"claims": [claim("v2", "has header X-Canary", 5_000)]}))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        answers = rig.ask(envoy, 2_000, **CANARY)
        others = rig.ask(envoy, 200)
    claimed = sum(answer.revision == "0.0" for answer in answers)
    by_weight = Counter(answer.variant for answer in answers if answer.revision != "0.0")
    left = by_weight.total()
    # Envoy's draws cannot be seeded: five standard deviations fail once in two million runs.
    assert abs(claimed - 1_000) < 5 * math.sqrt(2_000 * 0.5 * 0.5)
    assert abs(by_weight["v2"] - 0.2 * left) < 5 * math.sqrt(left * 0.2 * 0.8)
    assert {answer.variant for answer in answers if answer.revision == "0.0"} == {"v2"}
    assert "0.0" not in {answer.revision for answer in others}


def test_telemetry_names_the_segment_and_nothing_tells_of_what_takes_no_part(
    redis: EmbeddedRedis, kafka: EmbeddedKafka
) -> None:
    routing = {
        "condition": "host = shop.example", "baseline": "v1", "claims": [claim("v2", "has header X-Canary")],
        "segment_conditions": {"mobile": "user-agent = android"},
    }  # fmt: skip
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(revision=57, v1=10_000, v2=0, routing=routing))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        for headers in (ANDROID, SHOP, SHOP | ANDROID, SHOP | CANARY):
            rig.ask(envoy, 3, **headers)
        events = read_events(kafka.bootstrap, 18)
        assert rig.report().unattributed == 0
    counted = Counter((event.key.variant, event.key.segment, event.key.revision, event.kind) for event in events)
    assert counted == {
        (*key, kind): 3
        for key in (("v1", "", 57), ("v1", "mobile", 57), ("v2", "", 0))
        for kind in (Kind.REQUEST, Kind.RESPONSE)
    }
