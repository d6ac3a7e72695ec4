"""Our own reaction time as a guardrail: how long weights of a release take to follow what came for it.

* What is looked at is what workers tell in the evidence log, so a replay sees what was seen. Time is the log's.
* It is no test of a hypothesis, but an account of the window: the guardrail fails while more than the allowed share
  of reactions in it were too slow, and is well again when they have left it.
* An event that waits longer than the bound for a revision that Redis does not have is a reaction that was too slow,
  once for each time that it is told of: while Redis is away none would be told of otherwise.
* Fewer reactions than `minSamples` conclude nothing, no reactions neither: missing is not zero.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.evidence import Reactions
from trimtab.schemas.guardrail import AnyGuardrail, ReactionGuardrail
from trimtab.schemas.release import Spec

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""


class ReactionGuard:
    """The guardrails on reaction times of one release under one spec; nothing where none is."""

    __slots__ = ("_baseline", "_is_fresh", "_now_s", "_rails", "_told")

    def __init__(self, spec: Spec) -> None:
        rails = [one for one in spec.guardrails if isinstance(one, ReactionGuardrail) and one.severity != "muted"]
        self._baseline, self._rails = spec.baseline, rails
        self._told: deque[tuple[int, list[int], int]] = deque()
        """second, reactions told in it, and what waited then"""
        self._now_s = 0
        self._is_fresh = False

    @property
    def is_on(self) -> bool:
        """Whether a guardrail asks for reaction times."""
        return bool(self._rails)

    def take(self, told: Reactions, now_s: int) -> None:
        """Takes what a worker tells; seconds never go back."""
        if self._rails:
            self._told.append((now_s, list(told.took_ms), told.waiting_ms))
            self._is_fresh = True
            self.advance(now_s)

    def advance(self, now_s: int) -> None:
        """Lets time pass, and forgets what has left every window."""
        self._now_s = max(self._now_s, now_s)
        if not self._told:  # as in most releases
            return
        longest_s = max((rail.window // 1000 for rail in self._rails), default=0)
        while self._told and self._told[0][0] <= self._now_s - longest_s:
            self._told.popleft()

    def fails(self) -> bool:
        """Whether reactions that nobody has asked about yet make one fail."""
        is_fresh, self._is_fresh = self._is_fresh, False
        return is_fresh and bool(self.failing())

    def failing(self) -> list[AnyGuardrail]:
        """Gives the guardrails that fail."""
        return [rail for rail in self._rails if self._look(rail)[0] is Verdict.FAIL]

    @property
    def is_settled(self) -> bool:
        """Whether time changes nothing: no reaction is in any window."""
        return not self._told

    def assess(self, variant: str) -> list[Assessment]:
        """Gives the verdicts, as they are shown with a candidate."""
        return [] if variant == self._baseline else [self._assessment(rail, variant) for rail in self._rails]

    def _assessment(self, rail: ReactionGuardrail, variant: str) -> Assessment:
        verdict, reason, within, slow = self._look(rail)
        return Assessment(
            guardrail=rail.title, variant=variant, verdict=verdict, value=float(max(within)) if within else None,
            limit=rail.max, n=len(within), breaches=slow, allowed_ratio=rail.allowed, window_s=rail.window // 1000,
            samples=len(within), reason=reason, severity=rail.severity, on_fail=rail.on_fail,
        )  # fmt: skip

    def _look(self, rail: ReactionGuardrail) -> tuple[Verdict, str, list[int], int]:
        """Gives the verdict, why, the reactions within the window, and how many of them were too slow."""
        within = self._within(rail)
        n, slow = len(within), sum(took_ms > rail.max for took_ms in within)
        if not n:
            return Verdict.INCONCLUSIVE, f"no reaction was told of for {rail.window // 1000} s", within, slow
        if n < rail.min_samples:
            return Verdict.INCONCLUSIVE, f"{n} reactions, {rail.min_samples} are needed", within, slow
        if slow > rail.allowed * n:
            return Verdict.FAIL, f"{slow} of {n} reactions took longer than {rail.max:g} ms", within, slow
        return Verdict.PASS, f"{slow} of {n} reactions took longer than {rail.max:g} ms", within, slow

    def _within(self, rail: ReactionGuardrail) -> list[int]:
        since_s = self._now_s - rail.window // 1000
        within: list[int] = []
        for second, took_ms, waiting_ms in self._told:
            if second > since_s:
                within += took_ms if waiting_ms <= rail.max else [*took_ms, waiting_ms]
        return within

    def start_over(self, does: Callable[[AnyGuardrail], bool]) -> None:
        """Lets what was told be forgotten where `does` holds for a guardrail: somebody has acted on it."""
        if any(map(does, self._rails)):
            self._told.clear()

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data; nothing where no guardrail asks for it."""
        if not self._rails:
            return {}
        told = [[second, took_ms, waiting_ms] for second, took_ms, waiting_ms in self._told]
        return {"told": told, "now_s": self._now_s, "is_fresh": self._is_fresh}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a guard under the same spec."""
        if self._rails and snapshot:
            self._told = deque((second, list(took_ms), waiting) for second, took_ms, waiting in snapshot["told"])
            self._now_s, self._is_fresh = snapshot["now_s"], snapshot["is_fresh"]
