"""Bounds on a metric of the release file: each second's value is one observation.

A bound relative to the baseline is one on the difference, second by second, to what the baseline did in the same
second times the ratio: what both have in common is not in it. A second in which the metric has no value, or the
baseline's has none, is passed over: missing is not zero.
"""

from functools import partial

from trimtab.engine.metric import Missing, Value, value_of
from trimtab.engine.rail import Pair, PairRail, Rail, rails_of
from trimtab.engine.sequential.mean import Harm
from trimtab.engine.sequential.succession import SuccessionTest
from trimtab.schemas.guardrail import Guardrail, MetricGuardrail
from trimtab.schemas.metric import AnyMetric
from trimtab.schemas.release import Spec


def rails_under(spec: Spec, guardrail: Guardrail) -> dict[str, Rail]:
    """Gives the bounds of a guardrail of a release by the name of their field; none where it is muted."""
    if not isinstance(guardrail, MetricGuardrail):
        return rails_of(guardrail)
    return {} if guardrail.severity == "muted" else metric_rails(guardrail, spec.metric_of_name[guardrail.name])


def metric_rails(guardrail: MetricGuardrail, metric: AnyMetric) -> dict[str, Rail]:
    """Gives the bounds of a guardrail on `metric` by the name of their field."""
    rails = dict[str, Rail]()

    def ours(pair: Pair) -> float | None:
        return _known(value_of(metric, pair.variant, pair.in_flight))

    def apart(pair: Pair, ratio: float) -> float | None:
        value, baseline = ours(pair), _known(value_of(metric, pair.baseline, pair.baseline_in_flight))
        return None if value is None or baseline is None else value - ratio * baseline

    sides = (("max", guardrail.max, guardrail.max_ratio), ("min", guardrail.min, guardrail.min_ratio))
    for field, limit, ratio in sides:
        harm = Harm.ABOVE if field == "max" else Harm.BELOW
        if limit is not None:
            rails[field] = PairRail(SuccessionTest(limit, harm=harm), ours)
        if ratio is not None:
            rails[f"{field}Ratio"] = PairRail(SuccessionTest(0.0, harm=harm), partial(apart, ratio=ratio))
    return rails


def _known(value: Value) -> float | None:
    return None if isinstance(value, Missing) else value
