"""What came of each act, judged by what visitors saw and by the decisions. Decided here, and nowhere else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trimtab.control.demo.ledger import quantile
from trimtab.control.demo.models.acts import AGREEING, CORRUPTED, ENSEMBLE, FAST, FIXED, FRESH, STEP_BP, Act
from trimtab.control.demo.models.visitors import Visit
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.ids import BASIS_POINTS

_DEVIATIONS: Final = 4.0
"""How far chance may put a share above what is drawn for: once in 30,000."""
_LEAST_AGREEMENT: Final = 0.9
_FEW: Final = 100


@dataclass(frozen=True, slots=True)
class Scene:
    """One act as it was seen."""

    act: Act
    began_s: float
    settled_s: float
    """from when on the last weights that changed were in force at the proxy"""
    visits: Sequence[Visit]
    """that were sent in it"""
    decisions: Sequence[Decision]
    """that were made on its spec and seen here, oldest first"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of an act, and what should have come of it and did not."""

    told: tuple[str, ...]
    missed: tuple[str, ...]


Aims = list[tuple[str, bool]]


def find(scene: Scene) -> Finding:
    """Gives what came of an act."""
    if not scene.decisions or not scene.visits:
        return Finding((), ("anything happens",))
    aims, told = _JUDGES[scene.act.key](scene)
    table = [] if scene.act.key == ENSEMBLE else [_table(scene)]
    return Finding((*told, *table), tuple(aim for aim, met in aims if not met))


def accuracy(visits: Sequence[Visit]) -> float:
    """Gives the share of right answers; not a number without any."""
    good = [one for one in visits if one.is_good]
    return sum(one.is_right for one in good) / len(good) if good else math.nan


def of(scene: Scene, variant: str) -> list[Visit]:
    """Gives the visits that `variant` answered."""
    return [one for one in scene.visits if one.variant == variant]


def _faulty(scene: Scene) -> tuple[Aims, list[str]]:
    last, share = scene.decisions[-1], len(of(scene, CORRUPTED)) / len(scene.visits)
    highest = max(decision.weights.get(CORRUPTED, 0) for decision in scene.decisions)
    chance = _DEVIATIONS * math.sqrt(0.25 / len(scene.visits))
    gone_s = max((one.sent_s for one in of(scene, CORRUPTED)), default=scene.began_s) - scene.began_s
    aims = [
        (f"{CORRUPTED} is rolled back", last.phase is Phase.ROLLED_BACK),
        ("accuracy alone is the reason", "outcome correct" in last.rule),
        (f"{CORRUPTED} never has more than its step of {STEP_BP / 100:.0f} %", highest <= STEP_BP),
        (f"{CORRUPTED} gets no more of the requests", share <= STEP_BP / BASIS_POINTS + chance),
    ]
    told = f"{CORRUPTED} had at most {highest / 100:.0f} % and was gone after {gone_s:.1f} s: {last.rule}"
    return aims, [told]


def _fix(scene: Scene) -> tuple[Aims, list[str]]:
    last = scene.decisions[-1]
    whole = last.weights.get(FIXED, 0) == BASIS_POINTS
    return [(f"{FIXED} is promoted", last.phase is Phase.PROMOTED and whole)], [last.rule]


def _ab_test(scene: Scene) -> tuple[Aims, list[str]]:
    last, split = scene.decisions[-1], [one for one in scene.visits if one.sent_s >= scene.settled_s]
    share = sum(one.variant == FIXED for one in split) / len(split) if split else 0.0
    chance = _DEVIATIONS * math.sqrt(0.25 / max(1, len(split)))
    aims = [
        (f"{FIXED} is found to be better", f"{FIXED} wins" in last.rule),
        ("both get half of the requests", abs(share - 0.5) <= chance),
    ]
    return aims, [last.rule]


def _segments(scene: Scene) -> tuple[Aims, list[str]]:
    settled = [one for one in scene.visits if one.sent_s >= scene.settled_s and one.is_good]
    phones, others = ([one for one in settled if one.is_phone is wanted] for wanted in (True, False))
    aims = [
        (f"every phone gets {FAST}", len(phones) >= _FEW and {one.variant for one in phones} == {FAST}),
        (f"nobody else does, but {FIXED}", len(others) >= _FEW and {one.variant for one in others} == {FIXED}),
    ]
    waits = [quantile(sorted(one.latency_ms for one in group), 0.5) for group in (phones, others)]
    told = f"{len(phones):,} requests of phones were answered in {waits[0]:.1f} ms, {len(others):,} others"
    return aims, [f"{told} in {waits[1]:.1f} ms"]


def _shadow(scene: Scene) -> tuple[Aims, list[str]]:
    last = scene.decisions[-1]
    fresh = next(arm for arm in last.arms if arm.variant == FRESH)
    aims = [
        (f"{FRESH} is seen for long enough", last.phase is Phase.COMPLETED),
        (f"nobody gets an answer of {FRESH}", not of(scene, FRESH)),
        (f"{FRESH} answers copies", fresh.responses >= _FEW),
        ("its answers are the live ones nine times in ten", (fresh.metrics.get(AGREEING) or 0.0) >= _LEAST_AGREEMENT),
    ]
    told = f"{last.rule}; it answered {fresh.responses:,} copies"
    return aims, [f"{told}, as the live answer was in {fresh.metrics.get(AGREEING) or math.nan:.1%} of the last minute"]


def _ensemble(scene: Scene) -> tuple[Aims, list[str]]:
    """The members are right by turns, so that what one has wrong the others may have right."""
    visits = [one for one in scene.visits if len(one.members) == len(scene.act.names)]
    rights = {name: [one.members[name] for one in visits] for name in scene.act.names}
    best = max(rights, key=lambda name: sum(rights[name]))
    apart = sum(one.is_right != is_right for one, is_right in zip(visits, rights[best], strict=True))
    ahead = sum(one.is_right for one in visits) - sum(rights[best])
    aims = [
        ("every member answers", len(visits) >= _FEW),
        (f"it is right as often as {best}, its best member, but for chance", ahead >= -_DEVIATIONS * math.sqrt(apart)),
    ]
    alone = ", ".join(f"{name} {sum(right) / max(1, len(visits)):.1%}" for name, right in rights.items())
    weights = ", ".join(f"{name} {weight / 100:.0f} %" for name, weight in scene.decisions[-1].weights.items())
    return aims, [f"right together {accuracy(visits):.1%} of {len(visits):,}; alone {alone}; weights {weights}"]


_JUDGES: Final = {
    "faulty": _faulty, "fix": _fix, "ab-test": _ab_test, "segments": _segments, "shadow": _shadow,
    ENSEMBLE: _ensemble,
}  # fmt: skip


def _table(scene: Scene) -> str:
    """Gives what each variant got and did, in one line."""
    return "; ".join(_row(variant, scene) for variant in scene.act.names if of(scene, variant))


def _row(variant: str, scene: Scene) -> str:
    own = of(scene, variant)
    wait_ms = quantile(sorted(one.latency_ms for one in own), 0.5)
    share = len(own) / len(scene.visits)
    return f"{variant} answered {len(own):,} ({share:.1%}), {accuracy(own):.1%} of them right, in {wait_ms:.1f} ms"
