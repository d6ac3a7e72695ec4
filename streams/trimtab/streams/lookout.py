"""What sidecars tell of traffic that does not follow the weights, judged report by report.

The rules, which are decided here and nowhere else:
  * What a proxy refuses is told at once, in its own words.
  * A sidecar is stuck when it has not reached, for `GRACE_S` and what its proxy may rest between two changes, a
    revision that was the newest when that time began. One without a proxy routes nothing, and is nobody's trouble.
  * What a proxy's own granularity gives, servers that are down left out, may differ from the weights by a point. It is
    told where it differs by more for `GRACE_S`, judged while the newest weights are in force.
  * A sidecar that reports no more is gone. What was told of it is taken back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from trimtab.schemas.divergence import GRACE_S, Divergence, Kind
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION, Revision
from trimtab.schemas.sidecar import SidecarReport

MOST: Final = 20
"""Divergences that are told of a release: who has more knows enough."""
_TOLERANCE_BP: Final = 100
_LONGEST_WORDS: Final = 300


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a release sidecars are to have."""

    newest: Revision
    weights: Mapping[str, int]
    """variant -> basis points"""


class Lookout:
    """Judges the reports of all sidecars, round by round."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], tuple[Revision, float]] = {}
        """(release, sidecar) -> what was the newest revision then, and when"""
        self._uneven: dict[tuple[str, str], float] = {}
        """(release, sidecar) -> since when its shares are not those of the weights"""

    def judge(
        self, wanted: Mapping[str, Wanted], reports: Iterable[SidecarReport], now_s: float
    ) -> dict[str, list[Divergence]]:
        """Gives what is told of each of the releases, in the order of sidecars; `now_s` never goes back."""
        found: dict[str, list[Divergence]] = {name: [] for name in wanted}
        known = [report for report in reports if report.release in wanted]
        seen = {(report.release, report.sidecar) for report in known}
        self._marks = {key: mark for key, mark in self._marks.items() if key in seen}
        self._uneven = {key: since for key, since in self._uneven.items() if key in seen}
        for report in sorted(known, key=lambda one: one.sidecar):
            of_release = found[report.release]
            if len(of_release) < MOST:
                of_release += self._of(report, wanted[report.release], now_s)
        return found

    def _of(self, report: SidecarReport, wanted: Wanted, now_s: float) -> list[Divergence]:
        if report.refused:
            return [_told(report, "refused", f"refuses revision {report.offered[1]}: {report.refused}")]
        if report.in_force == NO_REVISION:
            self._marks.pop((report.release, report.sidecar), None)
            return []
        if self._is_stuck(report, wanted, now_s):
            return [_told(report, "stuck", f"stays at revision {report.in_force[1]} while there are newer ones")]
        words = self._shares(report, wanted, now_s)
        return [_told(report, "shares", words)] if words else []

    def _is_stuck(self, report: SidecarReport, wanted: Wanted, now_s: float) -> bool:
        key = (report.release, report.sidecar)
        due, since_s = self._marks.get(key, (NO_REVISION, now_s))
        if report.in_force >= due:
            self._marks[key] = (wanted.newest, now_s)
            return False
        return now_s - since_s > GRACE_S + report.interval_s

    def _shares(self, report: SidecarReport, wanted: Wanted, now_s: float) -> str:
        key = (report.release, report.sidecar)
        if report.in_force == wanted.newest:
            if _widest(report, wanted)[0] > _TOLERANCE_BP:
                self._uneven.setdefault(key, now_s)
            else:
                self._uneven.pop(key, None)
        if now_s - self._uneven.get(key, now_s) <= GRACE_S:
            return ""
        _, variant = _widest(report, wanted)
        given, due = report.shares.get(variant, 0.0), wanted.weights.get(variant, 0)
        return f"gives {variant} {given / BASIS_POINTS:.1%} of the traffic, the weights say {due / BASIS_POINTS:.1%}"


def _widest(report: SidecarReport, wanted: Wanted) -> tuple[float, str]:
    """Gives the greatest difference of a share from its weight in basis points, and whose it is."""
    if not report.shares:
        return 0.0, ""
    return max((abs(report.shares.get(name, 0.0) - weight), name) for name, weight in wanted.weights.items())


def _told(report: SidecarReport, kind: Kind, words: str) -> Divergence:
    said = f"sidecar {report.sidecar} ({report.proxy}) {words}"[:_LONGEST_WORDS]
    return Divergence(kind=kind, words=said, sidecar=report.sidecar, proxy=report.proxy)
