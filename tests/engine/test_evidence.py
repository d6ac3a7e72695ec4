"""What evidence keeps apart, and what becomes of it when a release starts anew."""

import numpy as np
import pytest

from engine.builders import content
from trimtab.engine.contribution import PaneContent, PaneRow
from trimtab.engine.errors import EngineError
from trimtab.engine.evidence import Evidence
from trimtab.engine.window import ArmWindow, Keep
from trimtab.schemas.evidence import COUNTS, PaneKey

NOW_S = 1_000
KEEP = Keep(lengths_ms=(10_000, 60_000), tumbling_ms=(10_000,), metrics=("rating",), segments=("mobile",),
            keeps_seconds=True)  # fmt: skip


def row(of: PaneContent, second: int = NOW_S, *, segment: str = "", first_offset: int = 1) -> PaneRow:
    return PaneRow(PaneKey("checkout", "canary", segment), second, first_offset, of)


def answered(responses: int, **more: int) -> PaneContent:
    return content(latency={100: responses}, values={"rating": (responses, responses, responses)},
                   responses=responses, **more)  # fmt: skip


def evidence(*rows: PaneRow, keep: Keep = KEEP) -> Evidence:
    kept = Evidence(("canary",), {}, keep)
    kept.merge(0, 1, 0, rows, NOW_S)
    return kept


def told(window: ArmWindow) -> tuple[int, int, object]:
    return window.responses, window.latency.count, window.values.get("rating", (0, 0, 0))[0]


def test_a_segment_that_nobody_named_is_counted_with_those_that_have_none() -> None:
    kept = evidence(row(answered(1)), row(answered(2), segment="mobile"), row(answered(4), segment="tablet"))
    for segment, responses in ((None, 7), ("mobile", 2), ("", 5)):
        assert told(kept.window("canary", 10_000, segment)) == (responses, responses, responses)
    assert kept.segment_totals("canary", "mobile").responses == 2
    assert kept.segment_totals("canary", "").values["rating"][:2] == [5, 5]


def test_windows_hold_outcomes_of_the_metrics_that_were_named_alone() -> None:
    kept = evidence(row(content(values={"rating": (1, 2, 3), "noise": (4, 5, 6)})))
    assert kept.window("canary", 10_000).values == {"rating": (1, 2, 3)}
    assert kept.totals["canary"].values["noise"][:2] == [4, 5]


def test_a_window_of_outcomes_alone_moves_on_and_leaves() -> None:
    kept = evidence(row(content(values={"rating": (1, 2, 3)})))
    kept.advance(NOW_S + 20)
    assert kept.window("canary", 10_000).values == {}
    assert kept.window("canary", 60_000).values == {"rating": (1, 2, 3)}
    kept.advance(NOW_S + 60)
    assert kept.window("canary", 60_000).values == {}


def test_what_is_in_flight_never_falls_below_nothing() -> None:
    assert evidence(row(content(requests=5, responses=2))).totals["canary"].in_flight == 3
    assert evidence(row(content(requests=2, responses=5))).totals["canary"].in_flight == 0


def test_failures_are_replaced_with_the_content_they_belong_to() -> None:
    kept = evidence(row(answered(5, errors=3, timeouts=2, resets=1)))
    kept.merge(0, 2, 0, [row(answered(6, errors=3, timeouts=3))], NOW_S)
    expected = np.zeros(len(COUNTS), dtype=np.int64)
    for name, count in (("responses", 6), ("errors", 3), ("timeouts", 3)):
        expected[COUNTS.index(name)] = count
    assert kept.totals["canary"].counts == expected.tolist()
    assert kept.window("canary", 10_000).counts == expected.tolist()


def test_windows_begin_anew_with_the_whole_of_the_second_in_which_they_do() -> None:
    kept = evidence(row(answered(5)), row(answered(9), NOW_S - 1))
    kept.restart(NOW_S)
    assert told(kept.window("canary", 10_000)) == (5, 5, 5)
    kept.merge(0, 2, 0, [row(answered(3), first_offset=0)], NOW_S)
    assert told(kept.window("canary", 10_000)) == (3, 3, 3)
    assert kept.totals["canary"].responses == 12


def test_a_segment_that_is_named_later_counts_from_then_on() -> None:
    kept = evidence(row(answered(5), segment="mobile"), row(answered(9), NOW_S - 1, segment="tablet"))
    kept.restart(NOW_S, Keep(lengths_ms=(10_000,), segments=("tablet", "mobile"), metrics=("rating",)))
    kept.merge(0, 2, 0, [row(answered(10), NOW_S - 1, segment="tablet"), row(answered(2), segment="tablet")], NOW_S)
    assert kept.segment_totals("canary", "tablet").responses == 2
    assert kept.segment_totals("canary", "mobile").responses == 5
    assert kept.segment_totals("canary", "").responses == 10
    assert told(kept.window("canary", 10_000, "tablet")) == (2, 2, 2)
    assert told(kept.window("canary", 10_000)) == (7, 7, 7)


def test_a_segment_that_is_named_in_the_second_it_speaks_in_has_all_of_it() -> None:
    kept = evidence(row(answered(5), segment="tablet"))
    kept.restart(NOW_S, Keep(segments=("tablet",)))
    assert kept.segment_totals("canary", "tablet").responses == 5
    assert kept.window("canary", 10_000, "tablet").responses == 5


def test_a_segment_that_is_no_longer_named_is_one_of_the_rest() -> None:
    kept = evidence(row(answered(5), segment="mobile"))
    kept.restart(NOW_S, Keep())
    assert kept.segment_totals("canary", "").responses == 5
    with pytest.raises(KeyError):
        kept.segment_totals("canary", "mobile")


def test_a_window_that_is_asked_for_anew_is_kept_from_then_on() -> None:
    kept = evidence(row(answered(5)))
    with pytest.raises(EngineError, match="sliding window of 3600000 ms"):
        kept.window("canary", 3_600_000)
    kept.restart(NOW_S, Keep(lengths_ms=(3_600_000,)))
    assert kept.keep.lengths_ms == (3_600_000,)
    assert kept.window("canary", 3_600_000).responses == 5


def test_a_second_that_was_given_is_not_given_again_after_a_new_start() -> None:
    kept = evidence(row(answered(5)), row(answered(9), NOW_S - 1))
    assert [one.second for one in kept.closed(NOW_S)] == [NOW_S - 1]
    kept.restart(NOW_S - 1)
    assert [(one.second, one.arms["canary"].responses) for one in kept.closed(NOW_S + 1)] == [(NOW_S, 5)]
    assert kept.missed == 0


def test_what_comes_after_its_second_was_closed_is_counted_as_missed() -> None:
    kept = evidence(row(answered(5)))
    kept.closed(NOW_S + 1)
    kept.merge(0, 2, 0, [row(answered(8))], NOW_S)
    assert kept.closed(NOW_S + 2) == []
    assert kept.missed == 6  # three responses and their ratings
    assert kept.window("canary", 10_000).responses == 8


def test_seconds_hold_outcomes_and_latencies_above_a_limit() -> None:
    (closed,) = evidence(row(content(latency={100: 3, 500: 2}, values={"rating": (2, 3, 5)}, responses=5))).closed(
        1 << 40
    )
    arm = closed.arms["canary"]
    assert (arm.latency.count_above(1.0), arm.values) == (2, {"rating": (2, 3, 5)})


def test_no_seconds_are_kept_where_nobody_asks_for_them() -> None:
    assert evidence(row(answered(5)), keep=Keep()).closed(1 << 40) == []


def test_many_panes_are_added_up_before_somebody_looks() -> None:
    kept = Evidence(("canary",), {})
    for source in range(300):
        kept.merge(source, 1, 0, [row(answered(1))], NOW_S)
    assert kept.window("canary", 10_000).responses == 300


def test_numbers_below_zero_and_above_any_counter_survive_packing() -> None:
    kept = Evidence(("canary",), {}, KEEP)
    huge = content(latency={0: 2**32 - 1, 994: 1}, duration_us=2**62, errors=-(2**61), requests=-1)
    kept.merge(0, 1, 0, [row(huge)], NOW_S)
    for one in (kept, Evidence.restore(kept.snapshot())):
        window = one.window("canary", 10_000)
        assert window.counts == huge.counts.tolist()
        assert window.latency.count == 2**32
