"""Which model is taken: hard constraints first, then what nothing else beats, then what the release prefers.

1. A model that is revoked, or rests on something that is, may never be taken. Of the others, those that satisfy every
   constraint remain.
2. Of those, the Pareto front over accuracy, p99_ms, cost and whatever the preference names. A figure that is not known
   counts as worse than any that is.
3. The front is ranked by the preference: an order of goals, or a weighted sum of goals scaled over the front. What is
   left equal is ranked by the other goals, then by name, the newest version first.
"""

import re
from collections.abc import Mapping, Sequence
from operator import not_
from typing import Final, NamedTuple

from trimtab.catalog.candidate import Candidate
from trimtab.catalog.errors import NothingMatches
from trimtab.catalog.hint import hint
from trimtab.catalog.match import answers
from trimtab.catalog.pareto import Point, front
from trimtab.catalog.view import Snapshot
from trimtab.schemas.model_query import parse
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.model_term import Term
from trimtab.schemas.preference import Goal, ModelChoice, Weighed, goal, goals

ALWAYS: Final[tuple[Goal, ...]] = (goal("accuracy"), goal("p99_ms"), goal("cost"))
"""What the front is made of in any case."""
_UNKNOWN: Final = float("-inf")
_ONE_ALONE: Final = bytes(count == 1 for count in range(256))
"""Makes 1 of a count of 1, and 0 of any other; there are at most `MAX_CHECKS` constraints."""


class Exclusion(NamedTuple):
    """What one constraint costs."""

    constraint: str
    excluded: int
    """models that do not satisfy it"""
    unknown: int
    """those of them of which it is not known"""
    alone: int
    """those that nothing else excludes: they would remain without it"""
    hint: str = ""
    """where no model matches: what is strange about it, such as a name that the catalogue does not have"""


class Ranked(NamedTuple):
    """A model of the front."""

    ref: ModelRef
    score: float | None
    """0 to 1, of a preference with weights"""
    figures: dict[str, float | None]
    """goal -> value"""


class Choice(NamedTuple):
    """Which models may be taken, the first being the choice."""

    revision: int
    """of the catalogue"""
    considered: int
    matched: int
    front: tuple[Ranked, ...]
    exclusions: tuple[Exclusion, ...]

    @property
    def chosen(self) -> ModelRef:
        """The model that is taken. Raises `NothingMatches` where there is none, with what excluded how many."""
        if not self.front:
            raise NothingMatches(why_nothing(self))
        return self.front[0].ref


def choose(snapshot: Snapshot, query: ModelChoice) -> Choice:
    """Gives the ranked front of the models that a query means."""
    matched, exclusions = _matching(snapshot, query.where)
    wanted = goals(query.prefer)
    over = tuple(dict.fromkeys([*(one.goal for one in wanted), *(one for one in ALWAYS if _is_new(one, wanted))]))
    points = _points(snapshot, matched, over)
    best = [(points[at], snapshot.candidates[matched[at]]) for at in front(points)]
    return Choice(
        snapshot.revision, len(snapshot.candidates), len(matched), _ranked(best, wanted, over), exclusions
    )  # fmt: skip


def matching_refs(snapshot: Snapshot, where: str) -> list[ModelRef]:
    """Gives the models that satisfy a query, by name and version, revoked ones included."""
    found = [answers(term, snapshot) for _, term in parse(where)]
    return [model.ref for at, model in enumerate(snapshot.candidates) if all(each[at] for each in found)]


def _is_new(one: Goal, wanted: Sequence[Weighed]) -> bool:
    return one.figure not in [each.goal.figure for each in wanted]


def _matching(snapshot: Snapshot, where: str) -> tuple[list[int], tuple[Exclusion, ...]]:
    """Gives the places of the models that satisfy all constraints, and what each of these excluded."""
    constraints = parse(where)
    found = [answers(term, snapshot) for _, term in constraints]
    texts = [text for text, _ in constraints]
    if snapshot.out:
        texts.insert(0, "not revoked")
        found.insert(0, [model.ref not in snapshot.out for model in snapshot.candidates])
    # A model is one byte of a number, 1 where it fails: sums and counts of thousands are then single steps.
    fails = [int.from_bytes(bytes(map(not_, each))) for each in found]
    failures = sum(fails).to_bytes(len(snapshot.candidates))
    sole = int.from_bytes(failures.translate(_ONE_ALONE))
    exclusions = tuple(
        Exclusion(text, one.bit_count(), each.count(None), (one & sole).bit_count())
        for text, each, one in zip(texts, found, fails, strict=True)
    )
    matched = [at for at, count in enumerate(failures) if not count]
    return matched, exclusions if matched else _with_hints(snapshot, exclusions, dict(constraints))


def _with_hints(
    snapshot: Snapshot, exclusions: Sequence[Exclusion], terms: Mapping[str, Term]
) -> tuple[Exclusion, ...]:
    """Gives exclusions with what is strange about them; not for the one on revocation, which nobody wrote."""
    return tuple(
        one._replace(hint=hint(terms[one.constraint], snapshot)) if one.excluded and one.constraint in terms else one
        for one in exclusions
    )


def _points(snapshot: Snapshot, matched: Sequence[int], over: Sequence[Goal]) -> list[Point]:
    """Gives a point of each model, in which more is better."""
    columns = [
        [_UNKNOWN if (value := column[at]) is None else -value if is_less_better else value for at in matched]
        for column, is_less_better in ((snapshot.column(figure), less) for figure, less in over)
    ]
    return list(zip(*columns, strict=True))


def _ranked(
    best: list[tuple[Point, Candidate]], wanted: tuple[Weighed, ...], over: tuple[Goal, ...]
) -> tuple[Ranked, ...]:
    """Gives the front in its order. A point compares goal by goal, those of the preference first."""
    scores = _scores([point for point, _ in best], wanted)
    order = sorted(range(len(best)), key=lambda at: _natural(best[at][1].version), reverse=True)
    order.sort(key=lambda at: best[at][1].name)
    order.sort(key=lambda at: (scores[at] or 0.0, best[at][0]), reverse=True)  # equal ones stay as they are
    return tuple(
        Ranked(best[at][1].ref, scores[at], {one.figure: best[at][1].figures.get(one.figure) for one in over})
        for at in order
    )


def _scores(points: Sequence[Point], wanted: Sequence[Weighed]) -> list[float | None]:
    """Gives the weighted sum of goals, each scaled from 0 to 1 over the front; None for all where there is no weight.

    A goal in which all are equal counts in full, and a figure that is not known not at all.
    """
    total = sum(one.weight for one in wanted)
    if not total:
        return [None] * len(points)
    scores = [0.0] * len(points)
    for place, (_, weight) in enumerate(wanted):
        known = [point[place] for point in points if point[place] != _UNKNOWN]
        low, high = min(known, default=0.0) / 2, max(known, default=0.0) / 2  # the halves' difference is always finite
        for at, point in enumerate(points):
            if point[place] != _UNKNOWN:
                scores[at] += weight / total * ((point[place] / 2 - low) / (high - low) if high > low else 1.0)
    return list(scores)


def _natural(version: str) -> list[tuple[bool, int, str]]:
    """Gives what versions compare by, numbers as numbers.

    >>> _natural("1.10") > _natural("1.9")
    True
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", version)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def why_nothing(choice: Choice) -> str:
    """Gives why no model remains: each constraint with how many it excluded, and how many nothing else did."""
    if not choice.considered:
        return "no model matches: the catalogue has none"
    told = [_told(one) for one in choice.exclusions if one.excluded]
    return f"no model of {choice.considered} matches: {'; '.join(told)}"


def _told(one: Exclusion) -> str:
    more = [f"{one.unknown} of them because it is not known"] if one.unknown else []
    more += [f"{one.alone} that nothing else excludes"] if one.alone else []
    more += [one.hint] if one.hint else []
    return f"`{one.constraint}` excludes {one.excluded}" + (f" ({', '.join(more)})" if more else "")


def plain_choice(choice: Choice) -> dict[str, object]:
    """Gives a choice as plain data."""
    return {
        "chosen": choice.front[0].ref if choice.front else None,
        "revision": choice.revision,
        "considered": choice.considered,
        "matched": choice.matched,
        "front": [{"ref": one.ref, "score": one.score, "figures": one.figures} for one in choice.front],
        "exclusions": [one._asdict() for one in choice.exclusions],
    }
