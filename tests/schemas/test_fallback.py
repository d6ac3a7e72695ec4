"""What is routed by in place of weights that are past their age."""

import pytest
from msgspec.structs import replace

from schemas.records import AGEING, ENSEMBLE, STICKY, WEIGHTS
from trimtab.schemas.decision import Phase, WeightsRecord, decode_weights, encode
from trimtab.schemas.fallback import falls_back, on_baseline
from trimtab.schemas.ids import NO_REVISION

MOVING = replace(
    AGEING, phase=Phase.PROGRESSING, weights={"v1": 4_000, "v2": 6_000}, mirror={"v2": 500},
    segments={"mobile": {"v1": 0, "v2": 10_000}},
)  # fmt: skip


def test_all_goes_to_the_baseline_whatever_conditions_segments_and_copies_there_were() -> None:
    made = on_baseline(MOVING)
    assert made.weights == {"v1": 10_000, "v2": 0}
    assert (made.claims, made.segments, made.mirror) == ([], {}, {})
    assert (made.targets, made.condition) == (MOVING.targets, MOVING.condition)


def test_visitors_have_their_buckets_at_the_baseline() -> None:
    assert on_baseline(replace(STICKY, baseline="v2")).ranges == {"": [("v2", 10_000)]}
    assert on_baseline(replace(WEIGHTS, baseline="v2")).ranges == {}


def test_the_baseline_of_an_ensemble_answers_alone() -> None:
    made = on_baseline(replace(ENSEMBLE, baseline="v1"))
    assert (made.weights, made.ensemble) == ({"v1": 10_000, "v2": 0}, None)


def test_but_for_its_mark_it_is_a_record_as_any_other() -> None:
    made = replace(on_baseline(MOVING), fallback="")
    assert decode_weights(encode(made)) == made


def test_nobody_decided_on_it_so_requests_name_no_revision() -> None:
    assert (MOVING.routed_by, on_baseline(MOVING).routed_by) == (MOVING.id, NO_REVISION)


@pytest.mark.parametrize("phase", Phase)
def test_weights_that_nobody_is_to_move_any_more_stay(phase: Phase) -> None:
    stay = phase.is_over or phase is Phase.FROZEN
    assert falls_back(replace(MOVING, phase=phase)) != stay
    assert not falls_back(replace(MOVING, phase=phase, stale_then="keep"))


def newer(record: WeightsRecord) -> WeightsRecord:
    return replace(record, revision=record.revision + 1)


@pytest.mark.parametrize(
    ("record", "held", "does"),
    [
        (MOVING, None, True),
        (MOVING, MOVING, False),
        (on_baseline(MOVING), MOVING, True),
        (MOVING, on_baseline(MOVING), True),
        (newer(MOVING), on_baseline(MOVING), True),
        (on_baseline(MOVING), newer(MOVING), False),
        (MOVING, newer(on_baseline(MOVING)), False),
    ],
)
def test_a_fallback_comes_and_goes_and_a_revision_never_goes_back(
    record: WeightsRecord, held: WeightsRecord | None, *, does: bool
) -> None:
    assert record.replaces(held) == does
