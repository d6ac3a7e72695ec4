"""The guard of a release: which guardrails its candidates are held to, and when one of them has to be looked at."""

from collections.abc import Sequence

from trimtab.engine.evidence import Evidence, News
from trimtab.engine.guardrail import Guardrail, Room, assess, breaches_at_most
from trimtab.engine.window import HOP_MS
from trimtab.schemas.decision import Assessment


class Guard:
    """Guardrails on the variants of one release.

    How much room there is left is remembered between looks; what is not remembered is looked up, so that none of it is
    part of a release's state.
    """

    __slots__ = ("_evidence", "_rails", "_room")

    def __init__(self, rails: Sequence[Guardrail], evidence: Evidence) -> None:
        self._rails = rails
        self._evidence = evidence
        self._room: dict[tuple[str, int], Room] = {}
        """by variant and place of a guardrail"""

    def may_break(self, news: dict[str, News], candidates: Sequence[str], now_ms: int) -> bool:
        """Whether what has just come may make a candidate fail a guardrail that it did not fail before."""
        return any(
            breaches and self._has_no_room((name, at), breaches, now_ms)
            for name, new in news.items()
            if name in candidates
            for at, rail in enumerate(self._rails)
            if (breaches := breaches_at_most(rail, new))
        )

    def _has_no_room(self, of: tuple[str, int], breaches: int, now_ms: int) -> bool:
        """Whether the `breaches` that have just come may make a guardrail fail: its window is looked at if need be."""
        rail, known = self._rails[of[1]], self._room.get(of)
        if known and known.takes(breaches, now_ms // HOP_MS[rail.window]):
            return False
        self._room[of] = self._look(of, now_ms)
        return not self._room[of].is_there

    def _look(self, of: tuple[str, int], now_ms: int) -> Room:
        variant, rail = of[0], self._rails[of[1]]
        window = self._evidence.window(variant, rail.window)
        return Room(rail, window, self._evidence.leaving(variant, rail.window), now_ms // HOP_MS[rail.window])

    def assess(self, names: Sequence[str]) -> dict[str, list[Assessment]]:
        """Gives the verdict of every guardrail on each of these variants."""
        return {
            name: [assess(rail, name, self._evidence.window(name, rail.window)) for rail in self._rails]
            for name in names
        }

    def forget(self) -> None:
        """Forgets what room there was: somebody looked away in the meantime."""
        self._room.clear()

    def watch(self, candidates: Sequence[str], now_ms: int) -> None:
        """Takes note of the room that is left for each of these variants, once they are assessed."""
        self._room = {
            (name, at): self._look((name, at), now_ms) for name in candidates for at in range(len(self._rails))
        }
