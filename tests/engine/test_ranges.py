"""Ranges are as wide as the weights, and no more keys move than have to."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.evidence_rig import EvidenceRig
from engine.segment_rig import APART, by_segment, run, traffic
from trimtab.engine.ranges import MAX_RANGES, laid_out, moved
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.stickiness import Range, ranges_of

NAMES = ("v1", "v2", "v3", "v4", "v5")


@st.composite
def weights(draw: st.DrawFn) -> dict[str, int]:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    cuts = sorted(draw(st.lists(st.integers(0, BASIS_POINTS), min_size=len(names) - 1, max_size=len(names) - 1)))
    return dict(zip(names, (high - low for low, high in pairwise([0, *cuts, BASIS_POINTS])), strict=True))


def owners(ranges: list[Range]) -> list[str]:
    return [variant for variant, width in ranges for _ in range(width)]


def width_of(ranges: list[Range]) -> dict[str, int]:
    return {name: sum(width for variant, width in ranges if variant == name) for name, _ in ranges}


@given(st.lists(weights(), min_size=1, max_size=12))
def test_just_the_keys_move_that_weights_take(steps: list[dict[str, int]]) -> None:
    held = ranges_of(steps[0])
    for now in steps[1:]:
        after, before = moved(held, now), owners(held)
        assert width_of(after) == {name: weight for name, weight in now.items() if weight}
        assert all(width > 0 for _, width in after)
        assert all(left != right for (left, _), (right, _) in pairwise(after))
        changed = sum(old != new for old, new in zip(before, owners(after), strict=True))
        had = width_of(held)
        if after != ranges_of(now):
            assert changed == sum(max(0, weight - had.get(name, 0)) for name, weight in now.items())
        held = after


def test_two_variants_share_one_border_whatever_happens() -> None:
    held = moved([], {"v1": 10_000, "v2": 0})
    for share in (500, 4_000, 200, 9_900, 10_000, 1, 0, 5_000):
        held = moved(held, {"v1": 10_000 - share, "v2": share})
        assert len(held) <= 2


def test_too_many_ranges_are_laid_out_anew() -> None:
    pieces = [(NAMES[number % 2], 100) for number in range(100)]
    assert len(pieces) > MAX_RANGES
    assert moved(pieces, {"v1": 5_000, "v2": 5_000}) == [("v1", 5_000), ("v2", 5_000)]


def test_ranges_of_variants_that_are_gone_go_to_those_that_are_there() -> None:
    assert moved([("old", 4_000), ("v1", 6_000)], {"v1": 9_000, "v2": 1_000}) == [("v2", 1_000), ("v1", 9_000)]


def test_a_segment_begins_with_the_ranges_of_the_whole() -> None:
    whole = [("v1", 3_000), ("v2", 4_000), ("v1", 3_000)]
    after = laid_out({"": whole}, {"v1": 6_000, "v2": 4_000}, {"mobile": {"v1": 5_000, "v2": 5_000}})
    assert after[""] == whole
    assert sum(a != b for a, b in zip(owners(whole), owners(after["mobile"]), strict=True)) == 1_000


STICKY = {"stickiness": {"cookie": "visitor"}}


def newest(rig: EvidenceRig) -> WeightsRecord:
    rig.now_ms += 1_000
    (published,) = rig.bring(*traffic(APART, rig.now_ms)).published
    return published.weights


def test_a_release_publishes_the_ranges_that_its_weights_have_come_to() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment(**STICKY))
    seen = []
    for _ in range(6):
        run(rig, APART, 2)
        seen.append(newest(rig))
    for record in seen:
        assert sorted(record.ranges) == ["", *sorted(record.segments)]
        for segment, ranges in record.ranges.items():
            expected = record.segments.get(segment, record.weights)
            assert width_of(ranges) == {name: weight for name, weight in expected.items() if weight}
    assert len({str(record.ranges) for record in seen}) > 1


def test_ranges_outlive_another_spec_of_the_release() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment(**STICKY))
    run(rig, APART, 5)
    before = newest(rig)
    rig.apply(by_segment(**STICKY, limits={"maxStep": 1}))
    after = newest(rig)
    moves = sum(a != b for a, b in zip(owners(before.ranges[""]), owners(after.ranges[""]), strict=True))
    assert moves <= 2


def test_a_release_without_stickiness_has_no_ranges() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment(**STICKY))
    run(rig, APART, 2)
    rig.apply(by_segment())
    assert newest(rig).ranges == {}
