"""Pane keys are numbered for speed alone: when numbers are forgotten, and how many keys there are, changes nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import NOW_MS, batch, builder, emitted, request, rows
from engine.logs import logs
from engine.reference import Message
from trimtab.engine import pane
from trimtab.engine.contribution import PaneRow
from trimtab.engine.pane import FoldSpec, PaneBuilder

Told = list[tuple[list[int], dict[tuple[str, str, str, int], PaneRow]]]


def sent(log: list[Message], emit_after: list[bool]) -> Told:
    """What each emission makes final, and its panes, in whatever order."""
    folding, told = PaneBuilder(0, FoldSpec(), lambda _: 0), Told()
    for offset, message in enumerate(log):
        folding.update(offset, message.append_ms, message.batch())
        if emit_after[offset % len(emit_after)]:
            panes, mark = folding.emit()
            folding.acknowledge(mark)
            told.append(([record.final_s for record in panes.get(0, ())], {}))
            for record in panes.get(0, ()):
                told[-1][1].update(rows(record))
    return told


@settings(max_examples=60)
@given(logs(), st.lists(st.booleans(), min_size=1, max_size=4))
def test_numbering_keys_anew_after_each_emission_changes_nothing(log: list[Message], emit_after: list[bool]) -> None:
    expected = sent(log, emit_after)
    with pytest.MonkeyPatch.context() as patch:
        # Logs that are short enough to be drawn never come to tens of thousands of keys.
        patch.setattr(pane, "_MANY_KEYS", 0)
        assert sent(log, emit_after) == expected


def test_what_an_emission_would_hold_is_known_before_it() -> None:
    folding = builder()
    assert folding.changed == 0
    folding.update(0, NOW_MS, batch(*(request(f"v{number}") for number in range(5)), request("v0")))
    assert folding.changed == 5
    emitted(folding)
    assert folding.changed == 0


def test_a_second_takes_as_many_panes_as_come() -> None:
    folding = builder()
    for offset in range(40):
        variants = [f"v{number}" for number in range(offset * 10, offset * 10 + 10)]
        folding.update(offset, NOW_MS, batch(*(request(variant) for variant in variants)))
    folding.update(40, NOW_MS + 5_000, batch())
    assert {key[1] for key in rows(emitted(folding))} == {f"v{number}" for number in range(400)}
