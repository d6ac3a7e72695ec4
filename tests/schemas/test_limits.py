"""Limits that cannot all be kept are refused, with the field and the sum."""

import pytest
from pydantic import ValidationError

from engine.builders import Json, release
from trimtab.schemas.limits import Limits, Variant, room_of
from trimtab.schemas.strategy import Bandit, BlueGreen

THREE = ("stable", "canary", "newer")
CANARY, BANDIT = {"type": "canary", "steps": [500, 9_600]}, {"type": "bandit"}
AB_TEST, BLUE_GREEN = {"type": "abTest"}, {"type": "blueGreen", "preview": 3_000}


@pytest.mark.parametrize(
    ("strategy", "limits", "refusal"),
    [
        (BANDIT, {"minWeight": 4_000}, "limits.minWeight: 3 variants x 4000 bp is 12000, over 10000"),
        (BANDIT, {"minWeight": 1_000, "holdout": 8_500},
         "limits: floors and holdout, 8500 + 1000 + 1000 bp, sum to 10500, over 10000"),
        (BANDIT, {"holdout": 10_001}, "less than or equal to 10000"),
        (BANDIT, {"maxStep": 0}, "greater than or equal to 1"),
        (BANDIT, {"maxStep": 300, "hysteresis": 301}, "limits.hysteresis: expected at most maxStep 300, got 301"),
        (BANDIT, {"cooldown": "-1s"}, "expected a duration"),
        (BANDIT, {"cooldown": -1}, "expected a duration of at least 0, got -1s"),
        (CANARY, {"holdout": 500}, "strategy.steps: 9600 is over the 9500 bp that limits.holdout leaves"),
        (CANARY, {"maxWeight": 4_000}, "strategy.steps: 9600 is over the 8000 bp that limits.maxWeight leaves"),
        (AB_TEST, {"holdout": 4_000}, "strategy.split: 3333 bp of stable are below limits.holdout 4000"),
        (AB_TEST, {"maxWeight": 3_000}, "strategy.split: 3333 bp of canary are over its maxWeight 3000"),
    ],
)  # fmt: skip
def test_limits_that_cannot_be_kept_are_refused(strategy: dict[str, object], limits: object, refusal: str) -> None:
    with pytest.raises(ValidationError) as refused:
        release(variants=THREE, strategy=strategy, limits=limits)  # type: ignore[arg-type]  # JSON
    assert refusal in str(refused.value)


def test_a_preview_has_to_leave_the_holdout() -> None:
    with pytest.raises(ValidationError, match=r"strategy.preview: 3000 bp and limits.holdout are 10500, over 10000"):
        release(strategy=BLUE_GREEN, limits={"holdout": 7_500})


@pytest.mark.parametrize(
    ("own", "limits", "refusal"),
    [
        ({"minWeight": 900, "maxWeight": 800}, {}, "variants: canary takes at most 800 bp, and keeps at least 900"),
        ({"maxWeight": 50}, {}, "variants: canary takes at most 50 bp, and keeps at least 100"),
        ({"minWeight": 9_900}, {}, "limits: floors and holdout, 100 + 9900 + 100 bp, sum to 10100, over 10000"),
        ({"minWeight": 9_000}, {"holdout": 901}, "901 + 9000 + 100 bp, sum to 10001, over 10000"),
    ],
)
def test_limits_of_a_variant_are_refused_with_its_name(own: Json, limits: Json, refusal: str) -> None:
    variants: list[Json] = [{"name": "stable"}, {"name": "canary", **own}, {"name": "newer"}]
    with pytest.raises(ValidationError) as refused:
        release(variants=THREE, limits=limits, own=variants)
    assert refusal in str(refused.value)


def test_the_baseline_has_no_cap() -> None:
    variants: list[Json] = [{"name": "stable", "maxWeight": 5_000}, {"name": "canary"}]
    with pytest.raises(ValidationError, match="stable is the baseline, which takes what others lose: no maxWeight"):
        release(own=variants)


def test_a_variant_says_otherwise_than_the_limits() -> None:
    limits = Limits(min_weight=100, max_weight=3_000, holdout=2_000)
    ours, other = Variant(name="canary", min_weight=0, max_weight=6_000), Variant(name="newer")
    assert [limits.floor_of(ours), limits.floor_of(other)] == [0, 100]
    assert [limits.cap_of(ours), limits.cap_of(other)] == [6_000, 3_000]
    assert room_of(limits, [other], Bandit(type="bandit")) == 3_000
    assert room_of(limits, [ours, other], Bandit(type="bandit")) == 8_000
    assert room_of(limits, [other], BlueGreen(type="blueGreen")) == 8_000
