"""What conditions of a release file a sidecar is told."""

from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from schemas.records import AGEING, ARM, DECISION, ROUTED, STICKY, WEIGHTS
from schemas.release_text import CANARY
from trimtab.schemas.decision import Claim, Phase, decode_weights, encode
from trimtab.schemas.errors import InvalidRecord, InvalidRelease
from trimtab.schemas.release import Release
from trimtab.schemas.release_file import load
from trimtab.schemas.routing import routed


def release(**fields: Any) -> Release:
    document = yaml.safe_load(CANARY)
    document["spec"] |= fields
    (read,) = load(yaml.safe_dump(document, sort_keys=False), "f.yaml")
    return read


def variants(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "v1"}, {"name": "v2", **fields}]


def test_a_release_without_conditions_says_nothing_of_them() -> None:
    assert routed(WEIGHTS, DECISION, release().document()) == WEIGHTS


def test_conditions_of_route_variants_and_segments_are_told() -> None:
    document = release(
        route={"condition": "host = a"}, variants=variants(condition="has header X", conditionStrength=5_000),
        segments=[{"name": "mobile", "condition": "user-agent = Android"}, {"name": "other"}],
    ).document()  # fmt: skip
    told = routed(WEIGHTS, DECISION, document)
    assert (told.condition, told.baseline) == ("host = a", "v1")
    assert told.claims == [Claim(variant="v2", condition="has header X", strength=5_000)]
    assert told.segment_conditions == {"mobile": "user-agent = Android"}
    assert decode_weights(encode(told)) == told


def test_a_variant_that_is_excluded_claims_nothing() -> None:
    excluded = replace(DECISION, arms=[ARM, replace(ARM, variant="v2", excluded="error_rate")])
    document = release(variants=variants(condition="has header X")).document()
    assert routed(WEIGHTS, excluded, document).claims == []


@pytest.mark.parametrize("phase", Phase)
def test_claims_end_with_the_release(phase: Phase) -> None:
    document = release(variants=variants(condition="has header X")).document()
    claims = routed(WEIGHTS, replace(DECISION, phase=phase), document).claims
    assert bool(claims) != phase.is_over


def test_what_becomes_of_weights_past_their_age_is_told() -> None:
    told = routed(WEIGHTS, DECISION, release(staleWeights={"after": "5m", "then": "baseline"}).document())
    assert (told.stale_after_ms, told.stale_then, told.baseline) == (300_000, "baseline", "v1")
    assert (told.condition, told.claims, told.segment_conditions, told.sticky) == ("", [], {}, None)
    assert decode_weights(encode(told)) == told


def test_a_release_with_conditions_is_read_back() -> None:
    written = release(variants=variants(condition="has header X", conditionStrength=100))
    assert Release.model_validate_json(written.document()) == written


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"route": {"condition": "hots = a"}}, "f.yaml:13: spec.route.condition: column 1: expected one of user-agent"),
        ({"route": {"condition": ""}}, "spec.route.condition: column 1: expected one of user-agent, "),
        ({"route": {"condition": 7}}, "spec.route.condition: expected a text, got 7"),
        ({"route": {"condition": "host = a and host != a"}}, "spec.route.condition: expected a condition that can"),
        ({"variants": variants(condition="has X")}, "spec.variants[1].condition: column 5: expected header or cookie"),
        ({"variants": variants(conditionStrength=100)}, "variants[1].conditionStrength: expected a condition beside"),
        (
            {"variants": variants(condition="has header X", conditionStrength=50)},
            "spec.variants[1].conditionStrength: expected a multiple of 100, got 50",
        ),
        (
            {"variants": variants(condition="has header X", conditionStrength=0)},
            "spec.variants[1].conditionStrength: expected above 0, got 0",
        ),
        (
            {"variants": variants(condition="has header X", conditionStrength=10_100)},
            "spec.variants[1].conditionStrength: expected at most 10000, got 10100",
        ),
        ({"segments": [{"name": "m", "condition": "(host = a"}]}, "segments[0].condition: column 10: expected ')'"),
        (
            {"route": {"condition": " or ".join(f"host = a{n}" for n in range(9))},
             "segments": [{"name": "m", "condition": " or ".join(f"path = /{n}" for n in range(9))}]},
            "segments[0].condition: together with that of the route: expected a condition that holds in at most 64",
        ),
        (
            {"route": {"condition": " or ".join(f"host = a{n}" for n in range(20))},
             "segments": [{"name": f"m{n}", "condition": "has header X or has header Y"} for n in range(1, 7)]},
            "spec.route: conditions of variants and segments hold in 260 ways within that of the route, expected",
        ),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_routed_by_is_refused_with_its_place(fields: Any, problem: str) -> None:
    with pytest.raises(InvalidRelease) as refused:
        release(**fields)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (replace(ROUTED, condition="hots = a"), "release checkout: condition: column 1: expected one of"),
        (
            replace(ROUTED, segment_conditions={"m": "x"}),
            "release checkout: condition: segment m: .* column 1: expected",
        ),
        (replace(ROUTED, baseline="v9"), "release checkout: 'v9' is none of v1, v2"),
        (replace(WEIGHTS, stale_then="baseline"), "release checkout: '' is none of v1, v2"),
        (replace(WEIGHTS, stale_after_ms=0), "Expected `int` >= 1 - at `\\$.stale_after_ms`"),
        (replace(AGEING, fallback="baseline"), "release checkout: fallback is 'baseline', expected none in a record"),
        (replace(STICKY, ranges={"": [("v1", 10_000)]}), "release checkout: ranges of the whole: "),
        (replace(STICKY, ranges={"": [("v1", 7_000), ("v9", 3_000)]}), "release checkout: ranges of the whole: "),
        (replace(STICKY, ranges={"eu": [("v1", 8_000), ("v2", 3_000), ("v1", -1_000)]}), "ranges of segment 'eu': "),
        (replace(ROUTED, claims=[Claim(variant="v9", condition="has header X")]), "release checkout: 'v9' is none of"),
    ],
)
def test_a_record_that_cannot_be_routed_by_is_refused(record: Any, problem: str) -> None:
    with pytest.raises(InvalidRecord, match=problem):
        decode_weights(encode(record))
