"""A snapshot that version 2 of this code wrote restores to the evidence that it was taken of."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from trimtab.engine.contribution import PaneContent, PaneRow
from trimtab.engine.evidence import Evidence
from trimtab.engine.release import ReleaseFold
from trimtab.engine.release_state import Position, decode_snapshot
from trimtab.engine.window import USUAL_MS
from trimtab.schemas.decision import Phase
from trimtab.schemas.evidence import Command, PaneKey

WRITTEN: Final = Path(__file__).parent / "snapshots" / "release-2.msgpack"
"""What version 2 made of `log`, with 3 events refused; written once, and never again."""
VARIANTS: Final = ("stable", "canary")
END_S: Final = 100_400

Contribution = tuple[int, int, int, int, list[PaneRow]]
"""(now, source, offset, final, panes)"""


def pane(variant: str, segment: str, second: int, n: int) -> PaneRow:
    counts = np.array([n + 1, n, n // 3, n // 4, 20_000 * n, 500 * n, 0, 1], dtype="<i8").tobytes()
    bucket = 300 + 9 * (second % 11)
    buckets, amounts = np.array([bucket, bucket + 40], "<u2").tobytes(), np.array([n - 1, 1], "<u4").tobytes()
    content = PaneContent(counts, buckets, amounts, {"rating": (n, 3 * n, 9 * n)} if n % 2 else {})
    return PaneRow(PaneKey("checkout", variant, segment), second, 10 * second, content)


def log(start_s: int, end_s: int) -> Iterator[Contribution]:
    """Two sources, of which one speaks every other second; each content grows once."""
    for now_s in range(start_s, end_s):
        for source in range(now_s % 2 + 1):
            for part in (1, 2):
                second, n = now_s - source, part * (1 + (now_s) % 7)
                rows = [pane(variant, segment, second, n) for variant in VARIANTS for segment in ("", "mobile")]
                yield now_s, source, 10 * now_s + part, now_s - 3, rows


def merge(evidence: Evidence, contributions: Iterator[Contribution]) -> Evidence:
    for now_s, source, offset, final_s, rows in contributions:
        evidence.merge(source, offset, final_s, rows, now_s)
    return evidence


def restored() -> Evidence:
    return Evidence.restore(decode_snapshot(WRITTEN.read_bytes()).evidence)


def undisturbed() -> Evidence:
    evidence = merge(Evidence(VARIANTS, {}), log(100_000, END_S))
    evidence.dead_lettered = 3
    return evidence


def test_it_restores_to_the_same_evidence() -> None:
    assert restored().snapshot() == undisturbed().snapshot()


@pytest.mark.parametrize("wait_s", [0, 1, 9, 31, 200, 299, 330])
def test_its_windows_move_on_as_if_nothing_had_happened(wait_s: int) -> None:
    ours, theirs = (
        merge(evidence, log(END_S + wait_s, END_S + wait_s + 5)) for evidence in (restored(), undisturbed())
    )
    for variant in VARIANTS:
        for length_ms in USUAL_MS:
            one, other = ours.window(variant, length_ms), theirs.window(variant, length_ms)
            assert (one.counts, one.latency.snapshot()) == (other.counts, other.latency.snapshot())


def test_the_release_that_it_is_of_goes_on() -> None:
    fold = ReleaseFold.restore(WRITTEN.read_bytes())
    assert (fold.name, fold.offset) == ("checkout", 99)
    assert ReleaseFold.restore(fold.snapshot()).snapshot() == fold.snapshot()


def test_the_release_that_it_is_of_decides_though_it_kept_nothing_of_requests() -> None:
    fold = ReleaseFold.restore(WRITTEN.read_bytes())
    era, now_ms = fold.era, fold._state.now_ms
    fold.tick(Position(era, 100, now_ms + 20_000))
    paused = fold.command(Command(release="checkout", action="pause"), Position(era, 101, now_ms + 20_000))
    assert paused is not None
    assert (paused.phase, paused.revision, paused.divergences) == (Phase.PAUSED, 102, [])
