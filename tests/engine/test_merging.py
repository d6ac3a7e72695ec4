"""Law 1: contributions may come twice and in another order; every total, window and sketch stays the same."""

from collections.abc import Iterable, Sequence
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import NOW_S, batch, builder, emitted, response, sketch_of
from engine.logs import METRICS, logs, short_logs
from engine.reference import Content, Folded, Message, fold
from trimtab.engine.contribution import rows_of
from trimtab.engine.evidence import REMEMBER_S, Evidence, EvidenceSnapshot
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.engine.seconds import ClosedSecond
from trimtab.engine.window import HOP_MS, ArmWindow, Keep
from trimtab.schemas.evidence import COUNTS, Panes

VARIANTS = ("stable", "canary")
ALL = Keep(
    lengths_ms=tuple(HOP_MS), tumbling_ms=(10_000,), metrics=("revenue",), segments=("mobile",), keeps_seconds=True
)


def contributions(source: int, log: Sequence[Message], emit_after: Sequence[bool]) -> list[Panes]:
    """What a builder emits for release checkout, with the panes of others in the same records."""
    folding = PaneBuilder(source, FoldSpec(), lambda release: int(release != "checkout"))
    sent = []
    for offset, message in enumerate(log):
        folding.update(offset, message.append_ms, message.batch())
        if offset == len(log) - 1 or emit_after[offset % len(emit_after)]:
            panes, mark = folding.emit()
            folding.acknowledge(mark)
            sent += panes.get(0, [])
    return sent


def merged(sent: Iterable[Panes], now_s: int) -> Evidence:
    evidence = Evidence(VARIANTS, {}, ALL)
    for panes in sent:
        evidence.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), now_s)
    evidence.advance(now_s)
    return evidence


def canonical(evidence: Evidence) -> EvidenceSnapshot:
    """Everything that evidence holds; what is remembered of single panes is in the order of its arrival."""
    snapshot = evidence.snapshot()
    snapshot.contents.sort(key=lambda known: known[0])
    return snapshot


drawn_emits = st.lists(st.booleans(), min_size=1, max_size=4)
short_sources = st.lists(st.tuples(short_logs(), drawn_emits), min_size=1, max_size=3)
sources = st.lists(st.tuples(logs(), drawn_emits), min_size=1, max_size=3)
Drawn = list[tuple[list[Message], list[bool]]]


def all_of(drawn: Drawn) -> list[Panes]:
    return [panes for source, (log, emits) in enumerate(drawn) for panes in contributions(source, log, emits)]


@settings(max_examples=120)
@given(short_sources, st.randoms(use_true_random=False), st.integers(0, 4_000))
def test_contributions_may_come_in_any_order_and_twice(drawn: Drawn, random: Random, after_s: int) -> None:
    sent = all_of(drawn)
    shuffled = sent + random.choices(sent, k=len(sent)) if sent else []
    random.shuffle(shuffled)
    ours, theirs = canonical(merged(shuffled, NOW_S + after_s)), canonical(merged(sent, NOW_S + after_s))
    # Refusals alone are a matter of order, which an evidence partition keeps.
    ours.dead_lettered = theirs.dead_lettered
    assert ours == theirs


@settings(max_examples=80)
@given(sources, st.randoms(use_true_random=False), st.integers(0, 4_000))
def test_a_contribution_may_come_again_however_late(drawn: Drawn, random: Random, after_s: int) -> None:
    sent = all_of(drawn)
    repeated = list(sent)
    for panes in sent:
        repeated.insert(random.randint(repeated.index(panes) + 1, len(repeated)), panes)
    assert canonical(merged(repeated, NOW_S + after_s)) == canonical(merged(sent, NOW_S + after_s))


@settings(max_examples=120)
@given(sources, st.integers(0, 4_000))
def test_windows_and_totals_are_the_sums_of_the_raw_events(drawn: Drawn, after_s: int) -> None:
    now_s = NOW_S + after_s
    evidence = merged(all_of(drawn), now_s)
    folded = [fold(log, FoldSpec()) for log, _ in drawn]
    start_s = (now_s // 10 - 1) * 10
    for variant in VARIANTS:
        for segment, segments in ((None, EVERY), ("mobile", ("mobile",)), ("", ("",))):
            totals = evidence.totals[variant] if segment is None else evidence.segment_totals(variant, segment)
            whole = summed(folded, variant, range(1 << 62), segments)
            assert totals.counts == whole.counts
            assert {k: tuple(v) for k, v in totals.values.items() if any(v)} == whole.sums
            for length_ms in HOP_MS:
                content = summed(folded, variant, seconds_in(length_ms, now_s), segments)
                assert_holds(evidence.window(variant, length_ms, segment), content)
            content = summed(folded, variant, range(start_s, start_s + 10), segments)
            assert_holds(evidence.tumbling(variant, 10_000, segment), content)


def assert_holds(window: ArmWindow, content: Content) -> None:
    assert window.counts == content.counts
    assert window.latency.snapshot() == sketch_of(content.durations_us).snapshot()
    assert window.values == {metric: sums for metric, sums in content.sums.items() if metric == "revenue"}


@settings(max_examples=120)
@given(sources, st.lists(st.integers(0, 6), min_size=80, max_size=80), st.integers(0, 4))
def test_each_second_is_given_once_with_what_came_before_it_was_closed(
    drawn: Drawn, waits_s: list[int], behind_s: int
) -> None:
    keep = Keep(metrics=METRICS, keeps_seconds=True)
    evidence, now_s, closed = Evidence(VARIANTS, {}, keep), NOW_S, list[ClosedSecond]()
    for panes, wait_s in zip(all_of(drawn), waits_s, strict=False):
        now_s += wait_s
        evidence.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), now_s)
        closed += evidence.closed(now_s - behind_s)
    closed += evidence.closed(1 << 62)
    seconds = [one.second for one in closed]
    assert seconds == sorted(set(seconds))
    assert all(set(one.arms) == set(VARIANTS) for one in closed)
    given_events = sum(events_in(arm) for one in closed for arm in one.arms.values())
    assert given_events + evidence.missed == evidence.counted + evidence.late


def events_in(window: ArmWindow) -> int:
    late = int(window.counts[COUNTS.index("late")])
    return window.requests + window.responses + late + sum(count for count, _, _ in window.values.values())


@settings(max_examples=60)
@given(sources, st.randoms(use_true_random=False), st.integers(0, 30))
def test_seconds_do_not_depend_on_how_contributions_were_grouped(drawn: Drawn, random: Random, after_s: int) -> None:
    sent = all_of(drawn)
    now_s = NOW_S + after_s
    plain, looked_at = Evidence(VARIANTS, {}, ALL), Evidence(VARIANTS, {}, ALL)
    for panes in sent:
        for one in (plain, looked_at):
            one.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), now_s)
        match random.randint(0, 3):
            case 0:
                looked_at.window("canary", 10_000)
            case 1:
                looked_at = Evidence.restore(looked_at.snapshot())
            case 2:
                assert looked_at.closed(NOW_S - 1_000) == []
    ours, theirs = plain.closed(now_s - 2), looked_at.closed(now_s - 2)
    assert [told(second) for second in ours] == [told(second) for second in theirs]
    assert canonical(plain) == canonical(looked_at)


def told(closed: ClosedSecond) -> tuple[object, ...]:
    arms = [(name, arm.counts, arm.latency.snapshot(), arm.values) for name, arm in closed.arms.items()]
    return closed.second, arms


EVERY = ("", "mobile")


def summed(folded: Sequence[Folded], variant: str, seconds: range, segments: Sequence[str] = EVERY) -> Content:
    content = Content()
    for of_source in folded:
        for ((release, which, segment), second), of_pane in of_source.panes.items():
            if (release, which) == ("checkout", variant) and segment in segments and second in seconds:
                content.merge(of_pane)
    return content


def seconds_in(length_ms: int, now_s: int) -> range:
    """The tile of now, as many before it as make up the window, and what lies ahead of now."""
    hop_s, length_s = HOP_MS[length_ms] // 1000, length_ms // 1000
    return range((now_s // hop_s + 1) * hop_s - length_s, 1 << 62)


@settings(max_examples=60)
@given(sources, st.lists(st.integers(0, 40), min_size=80, max_size=80))
def test_windows_come_to_the_same_however_much_time_passes_between_contributions(
    drawn: Drawn, waits_s: list[int]
) -> None:
    stepped, now_s = Evidence(VARIANTS, {}, ALL), NOW_S
    for panes, wait_s in zip(all_of(drawn), waits_s, strict=False):
        now_s += wait_s
        stepped.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), now_s)
    stepped.advance(now_s)
    sent = all_of(drawn)[: len(waits_s)]
    assert canonical(stepped) == canonical(merged(sent, now_s))


def test_content_that_starts_earlier_wins_over_content_that_reaches_further() -> None:
    whole = emitted_from(0, upto=3)
    rest = emitted_from(2, upto=5)
    for sent in ((whole, rest), (rest, whole)):
        assert merged(sent, NOW_S).totals["canary"].responses == 3


def emitted_from(start: int, *, upto: int) -> Panes:
    """One response a message, as a builder knows them that began to read at `start`."""
    folding = builder()
    for offset in range(start, upto):
        folding.update(offset, NOW_S * 1000, batch(response()))
    return emitted(folding)


def test_content_of_other_messages_may_hold_any_number_of_breaches() -> None:
    evidence = merged([emitted_from(2, upto=4)], NOW_S)
    evidence.news = {}
    whole = emitted_from(0, upto=3)
    evidence.merge(whole.source, whole.offset, whole.final_s, list(rows_of(whole)), NOW_S)
    assert evidence.totals["canary"].responses == 3
    assert min(evidence.news["canary"].responses, evidence.news["canary"].errors) > 10**15


def test_contents_of_two_sources_add_up() -> None:
    sent = [emitted_from(0, upto=2), emitted_from(0, upto=3)]
    sent[1] = msgspec.structs.replace(sent[1], source=1)
    assert merged(sent, NOW_S).totals["canary"].responses == 5


def test_content_of_a_second_that_is_long_final_is_passed_over() -> None:
    panes = emitted_from(0, upto=1)
    for past_s, counted in ((REMEMBER_S, 1), (REMEMBER_S + 1, 0)):
        evidence = Evidence(VARIANTS, {})
        evidence.merge(0, 9, NOW_S + past_s, [], NOW_S)
        evidence.merge(0, 10, NOW_S, list(rows_of(panes)), NOW_S)
        assert evidence.totals["canary"].responses == counted
