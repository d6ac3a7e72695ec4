"""Preferences: which of several models that all will do is taken first.

A list is an order: the first metric decides, the next one where models are equal in it. A mapping gives weights: each
metric is scaled from 0 (the worst of those that are left) to 1 (the best), and the weighted sum decides. More is
better, but of metrics that `is_less_better` names; `min NAME` and `max NAME` say otherwise.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field

from trimtab.schemas.model_query import parse
from trimtab.schemas.model_term import METRIC
from trimtab.schemas.part import Part

_TERM: Final = re.compile(rf"(?:(min|max)\s+)?((?:serving\.)?{METRIC}(?:\[[a-z0-9-]+\])?)")
_LESS_IS_BETTER: Final = re.compile(
    r"(.*_)?(ms|us|s|cost|loss|error|errors|error_rate|brier|ece|mae|mse|rmse|mape|latency|drift|energy|bytes)"
)
MAX_TERMS: Final = 8


class Goal(NamedTuple):
    """A figure, and which way it is better."""

    figure: str
    """as in a query: `serving.accuracy[eu]`"""
    is_less_better: bool


class Weighed(NamedTuple):
    """A goal with its weight."""

    goal: Goal
    weight: float


def is_less_better(figure: str) -> bool:
    """Whether less of a metric is better, going by its name.

    >>> is_less_better("p99_ms"), is_less_better("serving.log_loss[eu]"), is_less_better("accuracy")
    (True, True, False)
    """
    metric = figure.removeprefix("serving.").partition("[")[0]
    return _LESS_IS_BETTER.fullmatch(metric) is not None


def goal(text: str) -> Goal:
    """Gives the goal that a text names. Raises `ValueError` for what is none.

    >>> goal("p99_ms"), goal("max recall")
    (Goal(figure='p99_ms', is_less_better=True), Goal(figure='recall', is_less_better=False))
    """
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a metric such as accuracy, p99_ms, min cost or serving.auc[eu], got {text!r:.80}")
    direction, figure = found.groups()
    return Goal(figure, direction == "min" if direction else is_less_better(figure))


def goals(prefer: Sequence[str] | dict[str, float]) -> tuple[Weighed, ...]:
    """Gives the goals of a preference in their order; those of an order have the weight 0."""
    if isinstance(prefer, dict):
        return tuple(Weighed(goal(text), weight) for text, weight in prefer.items())
    return tuple(Weighed(goal(text), 0.0) for text in prefer)


def _checked(prefer: tuple[str, ...] | dict[str, float]) -> tuple[str, ...] | dict[str, float]:
    named = [one.goal.figure for one in goals(prefer)]
    for figure in named:
        if named.count(figure) > 1:
            raise ValueError(f"metric {figure!r} stands twice")
    return prefer


def _query(text: str) -> str:
    parse(text)
    return text


_Order = Annotated[tuple[str, ...], Field(max_length=MAX_TERMS)]
_Weights = Annotated[
    dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]], Field(min_length=1, max_length=MAX_TERMS)
]
Prefer = Annotated[_Order | _Weights, AfterValidator(_checked)]
QueryText = Annotated[str, AfterValidator(_query)]
"""Text that `trimtab.schemas.model_query` describes."""


class ModelChoice(Part):
    """A model by what is wanted of it, in place of a name."""

    where: QueryText = ""
    """which models may be taken; `docs/models.md` has the language. Without it, any"""
    prefer: Prefer = ()
    """which of them is taken: a list of metrics is an order, a mapping gives weights; else accuracy, p99_ms, cost"""
