"""One bound of one guardrail on one variant: the test that judges it, and what it was told of the variant.

An absolute bound on a share is judged response by response, in the order in which they are told: looks end when a
second of the log's time does, and what has come since is a peek. All other bounds are judged by seconds that are over.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self

from trimtab.engine.evidence import News
from trimtab.engine.rail import Rail, ShareRail
from trimtab.engine.sequential.conclusion import Rule, verdict_of
from trimtab.engine.sequential.look import Share
from trimtab.engine.shown import Face, ShareFace
from trimtab.engine.sketch import bucket_of_limit
from trimtab.engine.totals import ArmTotals
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.guardrail import ErrorRateGuardrail, Guardrail, LatencyGuardrail

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""
Count = Callable[[ArmTotals], int]
"""Gives how many responses breach"""
NO_SHARE: Final = Share(0, 0)
# By place, for a decision counts of every bound.
_RESPONSES, _ERRORS, _CLIENT_ERRORS = (COUNTS.index(name) for name in ("responses", "errors", "client_errors"))


def _counted_errors(totals: ArmTotals) -> int:
    return totals.counts[_ERRORS]


def _all_breach(news: News) -> int:
    return news.responses


@dataclass(slots=True)
class Bound:
    """One bound of one guardrail on one variant."""

    variant: str
    guardrail: Guardrail
    name: str
    """the field of the guardrail: max, min, maxRatio, minRatio"""
    rail: Rail
    rule: Rule
    face: Face
    began_s: int = 0
    """the second of the first response; 0 before"""
    is_fresh: bool = False
    """whether seconds were taken that nobody has looked at yet"""
    warms_up: bool = field(init=False)
    """whether there is a warm-up at all"""

    def __post_init__(self) -> None:
        """Works out once what every decision asks."""
        self.warms_up = self.guardrail.warm_up > 0

    def is_warming_up(self, now_s: int) -> bool:
        """Whether the variant's warm-up, which begins with its first response, is not over."""
        warm_up_ms = self.guardrail.warm_up
        return warm_up_ms > 0 and (not self.began_s or (now_s - self.began_s) * 1000 < warm_up_ms)

    def after(self, before: Self) -> Self:
        """Gives this bound, which starts anew in place of another: a warm-up that is over stays over."""
        self.began_s = before.began_s
        return self

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return {"began_s": self.began_s, "is_fresh": self.is_fresh, "rail": self.rail.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of the same bound."""
        self.began_s, self.is_fresh = snapshot["began_s"], snapshot["is_fresh"]
        self.rail.restore(snapshot["rail"])

    def see(self, second: int, responses: int) -> None:
        """Takes note of responses."""
        if responses and not self.began_s:
            self.began_s = second


@dataclass(slots=True)
class ShareBound(Bound):
    """An absolute bound on a share of responses: judged response by response, in the order in which they are told."""

    rail: ShareRail
    face: ShareFace
    count: Count = _counted_errors
    """gives the responses since the release began that breach"""
    told: Share = NO_SHARE
    """what the test has taken"""
    most: float = math.inf
    """ln E, at most, with all that has come since it was last looked at; infinite where it has to be looked at"""
    place: int = 0
    """among all absolute bounds on shares"""
    at_most: Callable[[News], int] = _all_breach
    """gives how many breaches are among news, at most"""
    gain: float = 0.0
    """what one breach adds to ln E at most"""

    def ahead(self, totals: ArmTotals) -> tuple[int, int]:
        """Gives responses and breaches that have come since.

        Contents may be replaced by lesser ones: what is missing then is waited for.
        """
        told, told_breaches = self.told
        more = totals.counts[_RESPONSES] - told
        if more <= 0:
            return NO_SHARE
        breaches = self.count(totals) - told_breaches
        return (more, min(breaches, more)) if breaches > 0 else (more, 0)

    def assess(self, peek: tuple[int, int], evidence: float, window: ArmWindow) -> Assessment:
        """Gives the assessment, with `peek` as the next look; `evidence`: ln E after it, as `Budgets` gives it."""
        self.most = evidence
        n, is_within = self.rail.test.standing(peek)
        verdict, reason = verdict_of(n, evidence, self.rule, is_within=is_within)
        return self.face.of_share(self.variant, (verdict, reason, evidence, self.rule.threshold, n), window)

    def close(self, totals: ArmTotals, now_s: int) -> Share:
        """Lets what has come be told, and gives it as the look that it is for the test: none during a warm-up."""
        look = Share(*self.ahead(totals))
        if not look.responses:
            return NO_SHARE
        self.see(now_s, look.responses)
        self.told = Share(self.told.responses + look.responses, self.told.breaches + look.breaches)
        if self.is_warming_up(now_s):
            return NO_SHARE
        self.most = math.inf
        return look

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return {**Bound.snapshot(self), "told": list(self.told)}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of the same bound."""
        Bound.restore(self, snapshot)
        self.told = Share(*snapshot["told"])


def counting(guardrail: Guardrail) -> Count:
    """Gives what counts the responses of a variant that breach an absolute bound on a share."""
    match guardrail:
        case LatencyGuardrail():
            bucket = bucket_of_limit(guardrail.max or 0.0)
            return lambda totals: totals.slower.get(bucket, 0)
        case ErrorRateGuardrail(metric="error_rate"):
            return _counted_errors
        case _:
            return lambda totals: totals.counts[_CLIENT_ERRORS]


def breaches_at_most(guardrail: Guardrail) -> Callable[[News], int]:
    """Gives what tells how many breaches of an absolute bound on a share are among news, at most."""
    if isinstance(guardrail, LatencyGuardrail):
        bucket = bucket_of_limit(guardrail.max or 0.0)
        return lambda news: news.responses if news.slowest > bucket else 0
    if guardrail.metric == "error_rate":
        return lambda news: news.errors
    return _all_breach
