"""What a release file reads: its own metrics, outcomes, and that every name it refers to exists."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from trimtab.schemas.expression import NAMES
from trimtab.schemas.guardrail import BUILT_IN_RAILS, Guardrail, MetricGuardrail, OutcomeGuardrail
from trimtab.schemas.metric import AnyMetric
from trimtab.schemas.nearest import known
from trimtab.schemas.part import refuse_repeated

MAX_METRICS: Final = 16
MAX_OUTCOMES: Final = 32
"""How many different outcomes a release may read."""
SUCCESS: Final = "success"
BUILT_IN: Final = (
    SUCCESS, "outcome", "metric", "latency", "min", "max", "error-rate", "client-error-rate", "in-flight",
    "server-errors", "client-errors", *(name for name in NAMES if "." not in name),
)  # fmt: skip
"""What a metric of a release file may not be called, for it would read as something else."""
_READ_ELSEWHERE: Final = (*NAMES, *BUILT_IN_RAILS)
_A_SLIP: Final = 0.9
"""How like `success` a name is that has one letter too many, too few, or of the wrong case."""


def check_metrics(metrics: Sequence[AnyMetric], outcomes: Sequence[str]) -> None:
    """Raises `ValueError` for a metric whose name is taken, or that reads an outcome that is not declared.

    `outcomes`: those that are declared; where there are none, any may be read.
    """
    refuse_repeated("outcomes", list(outcomes))
    refuse_repeated("metrics", [metric.name for metric in metrics])
    for place, metric in enumerate(metrics):
        if metric.name in BUILT_IN:
            raise ValueError(f"metrics.{place}.name: {metric.name!r} is built in, expected another name")
        if metric.name in outcomes:
            raise ValueError(f"metrics.{place}.name: {metric.name!r} is one of outcomes, expected another name")
        for outcome in sorted(metric.outcomes):
            _check_outcome(f"metrics.{place}", outcome, metrics, outcomes)


def check_guardrails(guardrails: Sequence[Guardrail], metrics: Sequence[AnyMetric], outcomes: Sequence[str]) -> None:
    """Raises `ValueError` for a guardrail on a metric or an outcome that does not exist."""
    for place, guardrail in enumerate(guardrails):
        if isinstance(guardrail, OutcomeGuardrail):
            _check_outcome(f"guardrails.{place}.name", guardrail.name, metrics, outcomes)
        if isinstance(guardrail, MetricGuardrail):
            _check_name(f"guardrails.{place}.name", guardrail.name, [metric.name for metric in metrics], "a metric")


def check_objective(metric: str, metrics: Sequence[AnyMetric], outcomes: Sequence[str]) -> None:
    """Raises `ValueError` for an objective that is nothing that exists, where outcomes are declared.

    Where they are not, any name may be an outcome's: but one that is built in elsewhere, or a slip for `success`, would
    wait for outcomes that never come.
    """
    if outcomes:
        existing = [SUCCESS, *(one.name for one in metrics), *outcomes]
        _check_name("objective.metric", metric, existing, "a metric or an outcome")
        return
    declare = "; an outcome of this name has to stand in outcomes"
    if metric in _READ_ELSEWHERE:
        raise ValueError(
            f"objective.metric: expected {SUCCESS}, the name of one of metrics or an outcome, got {metric!r}{declare}"
        )
    if metric != SUCCESS and get_close_matches(metric.lower(), [SUCCESS], cutoff=_A_SLIP):
        raise ValueError(f"objective.metric: got {metric!r}; did you mean {SUCCESS}?{declare[1:]}")


def outcomes_read(guardrails: Sequence[Guardrail], metrics: Mapping[str, AnyMetric]) -> tuple[str, ...]:
    """Gives the outcomes that windows have to hold for guardrails and metrics, in order of occurrence.

    Raises `ValueError` for more than a release may read.
    """
    bounded = [one.name for one in guardrails if isinstance(one, OutcomeGuardrail) and one.severity != "muted"]
    read = dict.fromkeys([*bounded, *(name for metric in metrics.values() for name in sorted(metric.outcomes))])
    if len(read) > MAX_OUTCOMES:
        raise ValueError(
            f"metrics: expected at most {MAX_OUTCOMES} outcomes read, guardrails included, got {len(read)}"
        )
    return tuple(read)


def _check_outcome(field: str, name: str, metrics: Sequence[AnyMetric], outcomes: Sequence[str]) -> None:
    if name in [metric.name for metric in metrics]:
        raise ValueError(f"{field}: {name!r} is a metric of this file, expected an outcome")
    if outcomes:
        _check_name(field, name, outcomes, "an outcome")


def _check_name(field: str, name: str, existing: Sequence[str], what: str) -> None:
    try:
        known(name, existing, what=what)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
