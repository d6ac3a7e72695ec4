"""A guard that is told what happened second by second, without a ledger around it."""

import msgspec

from engine.builders import NOW_S, content
from trimtab.engine.contribution import PaneContent, PaneRow
from trimtab.engine.evidence import Evidence
from trimtab.engine.guard import Guard, keep_of
from trimtab.schemas.decision import Assessment
from trimtab.schemas.evidence import PaneKey
from trimtab.schemas.release import Release

NOTHING = content()


def routed(requests: int, responses: int = 0) -> PaneContent:
    """So many requests that the first revision of era 5 sent, beside responses."""
    return msgspec.structs.replace(content(requests=requests, responses=responses), routed=((5, 1, requests),))


class GuardRig:
    """One release whose evidence and guard are at hand. Each second is told once, from `NOW_S` on."""

    def __init__(self, release: Release, final_s: int = 0) -> None:
        self.spec = release.spec
        self.evidence = Evidence([variant.name for variant in self.spec.variants], {0: final_s}, keep_of(self.spec))
        self.guard = Guard(self.spec, self.evidence)
        self.now_s = NOW_S
        self._offset = 0

    def tell(self, **contents: PaneContent) -> None:
        """Tells what variants did in the present second."""
        rows = [
            PaneRow(PaneKey("checkout", variant, ""), self.now_s, self._offset, told)
            for variant, told in contents.items()
        ]
        self.evidence.merge(0, self._offset, self.now_s, rows, self.now_s)
        self._offset += 1

    def pass_s(self, seconds: int = 1) -> None:
        """Lets time pass and looks at what is over."""
        self.now_s += seconds
        self.evidence.advance(self.now_s)
        self.guard.close(self.now_s)

    def run(self, seconds: int, **contents: PaneContent) -> None:
        """Lets variants do the same in each of so many seconds."""
        for _ in range(seconds):
            self.tell(**contents)
            self.pass_s()

    def asks(self, *candidates: str) -> bool:
        """Whether one of these fails, of what has come since this was last asked."""
        news, self.evidence.news = self.evidence.news, {}
        return self.guard.fails(news, candidates, self.now_s)

    def shown(self, variant: str = "canary") -> list[Assessment]:
        """What is said of a variant."""
        return self.guard.assess([variant], self.now_s)[variant]
