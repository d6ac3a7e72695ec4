"""The newest decisions in bounded memory: in order, without a gap that is not told, and never more than fits."""

import pytest

from control.api.api_rig import chain
from control.decisions import arm, decision
from trimtab.control.api.ring import Frame, Rings
from trimtab.schemas.decision import Decision, decode_decision, encode


def filled(*made: Decision, max_bytes: int = 1 << 20, max_frames: int = 100) -> Rings:
    rings = Rings(max_bytes, max_frames)
    for one in made:
        rings.add(one, encode(one))
    return rings


def revisions(frames: list[Frame] | None) -> list[int] | None:
    return None if frames is None else [frame.id[1] for frame in frames]


def test_what_came_after_a_revision_is_given_in_order() -> None:
    rings = filled(*chain(1, 9), *chain(1, 5, "search"))
    assert revisions(rings.since("checkout", (7, 6))) == [7, 8, 9]
    assert revisions(rings.since("checkout", (7, 9))) == []
    assert revisions(rings.since("checkout", (0, 0))) == list(range(1, 10))
    assert rings.since("ghost", (7, 1)) is None


def test_what_does_not_reach_back_says_so() -> None:
    rings = filled(*chain(1, 9), max_frames=3)
    assert revisions(rings.since("checkout", (7, 6))) == [7, 8, 9]
    assert rings.since("checkout", (7, 5)) is None
    assert revisions(rings.newer("checkout", (7, 5))) == [7, 8, 9]


def test_a_decision_that_comes_again_or_too_late_is_passed_over() -> None:
    rings = filled(*chain(1, 5), *chain(3, 6))
    assert revisions(rings.since("checkout", (7, 1))) == [2, 3, 4, 5, 6]


def test_nothing_is_said_to_be_whole_across_a_gap() -> None:
    rings = filled(*chain(1, 5), *chain(8, 9))
    assert rings.since("checkout", (7, 5)) is None
    assert revisions(rings.since("checkout", (7, 7))) == [8, 9]


def test_a_new_era_goes_on_from_the_old_one() -> None:
    rings = filled(*chain(1, 5), decision(era=8, revision=1, replaces=(7, 5)))
    assert [frame.id for frame in rings.since("checkout", (7, 4)) or []] == [(7, 5), (8, 1)]


def test_pages_are_newest_first_and_whole() -> None:
    rings = filled(*chain(1, 9))
    assert revisions(rings.before("checkout", None, 3)) == [9, 8, 7]
    assert revisions(rings.before("checkout", (7, 7), 3)) == [6, 5, 4]
    assert revisions(rings.before("checkout", (7, 3), 50)) == [2, 1], "that is the first: there are no more"
    assert filled(*chain(4, 9)).before("checkout", None, 50) is None


@pytest.mark.parametrize("releases", [1, 7])
def test_memory_is_bounded_and_its_account_true(releases: int) -> None:
    rings = Rings(max_bytes=50_000, max_frames=1_000)
    for number in range(1, 60):
        for which in range(releases):
            made = chain(number, number, f"release-{which}")[0]
            rings.add(made, encode(made))
            assert rings.bytes <= 50_000
    held = [rings.newer(f"release-{which}", (0, 0)) for which in range(releases)]
    assert rings.bytes == sum(len(frame.event) for frames in held for frame in frames)
    assert min(len(frames) for frames in held) > 0


def test_a_frame_is_one_event_whatever_line_breaks_its_json_has() -> None:
    made = decision()
    pretty = encode(made).replace(b",", b",\r\n ")
    frame = Frame.of(made, pretty)
    assert frame.event.count(b"\n") == 4
    assert b"\r" not in frame.event
    assert decode_decision(frame.json) == made
    assert frame.event.startswith(b"event: decision\nid: 7-42\ndata: {")


def test_the_age_of_evidence_counts_from_the_last_new_response() -> None:
    first, second, third = chain(1, 3)
    rings = filled(
        *(
            Decision(**{name: getattr(one, name) for name in one.__struct_fields__} | {"arms": [arm(responses=count)]})
            for one, count in ((first, 10), (second, 20), (third, 20))
        )
    )
    assert rings.heard_ms("checkout", "v2") == second.time_ms
    assert rings.heard_ms("checkout", "ghost") is None
    assert [point[0] for point in rings.trend("checkout")] == [one.time_ms for one in (first, second, third)]
