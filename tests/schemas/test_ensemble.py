"""What a release file says of an ensemble, and what it may not say beside one."""

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from engine.builders import Json, release
from schemas.records import ENSEMBLE
from trimtab.schemas.combination import Combination
from trimtab.schemas.decision import decode_weights, encode
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.strategy import Ensemble

STRATEGY: Json = {"type": "ensemble"}
ALL_ANSWER = "for every member of an ensemble answers every request"


def test_an_ensemble_says_how_answers_are_combined_and_how_long_it_remembers() -> None:
    said = release(strategy=STRATEGY).spec.strategy
    assert said == Ensemble(type="ensemble", combine="mean", interval=1, memory=10_000)
    other = release(strategy={**STRATEGY, "combine": "median", "interval": "5s", "memory": 500})
    assert other.spec.strategy == Ensemble(type="ensemble", combine="median", interval=5, memory=500)


@pytest.mark.parametrize(
    ("field", "value", "refusal"),
    [
        ("combine", "stack", "Input should be 'mean', 'vote' or 'median'"),
        ("memory", 0.5, "greater than or equal to 1"),
        ("memory", float("nan"), "Input should be"),
        ("interval", "0s", "expected a duration above 0"),
        ("policy", {"type": "thompson"}, "Extra inputs are not permitted"),
        ("learningRate", 0.1, "Extra inputs are not permitted"),
    ],
)
def test_what_an_ensemble_cannot_be_is_refused(field: str, value: object, refusal: str) -> None:
    with pytest.raises(ValidationError, match=refusal):
        release(strategy={**STRATEGY, field: value})


@pytest.mark.parametrize(
    ("beside", "refusal"),
    [
        ({"stickiness": {"cookie": "visitor"}}, f"stickiness: expected none, {ALL_ANSWER}"),
        ({"own": [{"name": "stable"}, {"name": "canary", "condition": "has header X"}]},
         f"variants.1.condition: expected none, {ALL_ANSWER}"),
        ({"guardrails": [{"metric": "error_rate", "max": 0.1}, {"metric": "sample_ratio"}]},
         f"guardrails.1: expected no sample_ratio, {ALL_ANSWER}"),
        ({"variants": [f"v{number}" for number in range(17)]},
         "variants: an ensemble has 16 members at most, got 17"),
        ({"limits": {"minWeight": 6_000}}, "limits.minWeight: 2 variants x 6000 bp is 12000, over 10000"),
    ],
)  # fmt: skip
def test_what_would_send_requests_to_one_member_is_refused(beside: dict[str, object], refusal: str) -> None:
    with pytest.raises(ValidationError) as refused:
        release(strategy=STRATEGY, **beside)  # type: ignore[arg-type]  # JSON
    assert refusal in str(refused.value)


def test_sixteen_members_may_be_asked() -> None:
    assert len(release(strategy=STRATEGY, variants=[f"v{number}" for number in range(16)]).spec.variants) == 16


def test_weights_that_name_a_member_that_is_no_variant_are_refused() -> None:
    assert decode_weights(encode(ENSEMBLE)) == ENSEMBLE
    strange = replace(ENSEMBLE, ensemble=Combination(members=["v1", "v3"], combine="mean"))
    with pytest.raises(InvalidRecord, match="release checkout: ensemble: 'v3' is none of v1, v2"):
        decode_weights(encode(strange))
