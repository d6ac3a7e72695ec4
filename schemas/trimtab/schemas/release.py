"""The release file: how a person describes a rollout.

YAML or JSON, `apiVersion: trimtab.dev/v1`, `kind: Release`. Field names are camelCase in the file. Shares are whole
basis points (10,000 is all traffic), durations are texts such as `500ms`, `10s`, `5m`, or a number of seconds.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from trimtab.schemas.attribution import Attribution
from trimtab.schemas.condition_text import ConditionText, check_conditions
from trimtab.schemas.guardrail import AnyGuardrail, Guardrail, ReactionGuardrail, SampleRatioGuardrail
from trimtab.schemas.hooks import Hooks
from trimtab.schemas.ids import BASIS_POINTS, ReleaseId
from trimtab.schemas.limits import Limits, Variant, check_limits
from trimtab.schemas.metric import AnyMetric, Composite, UserMetric
from trimtab.schemas.nearest import near
from trimtab.schemas.part import Name, OutcomeName, Part, ReleaseName, refuse_repeated
from trimtab.schemas.policy import Linear, PolicySpec, Segmented, check_rewards
from trimtab.schemas.prior import Prior, check_prior
from trimtab.schemas.reading import (
    MAX_METRICS,
    MAX_OUTCOMES,
    SUCCESS,
    check_guardrails,
    check_metrics,
    check_objective,
    outcomes_read,
)
from trimtab.schemas.scaling import Scaling
from trimtab.schemas.segment import MAX_SEGMENTS, Segment, check_segments
from trimtab.schemas.stale_weights import StaleWeights
from trimtab.schemas.stickiness import Stickiness
from trimtab.schemas.strategy import AbTest, Bandit, BlueGreen, Ensemble, Shadow, Strategy

API_VERSION: Final = "trimtab.dev/v1"
_BLUE_AND_GREEN: Final = 2
MAX_MEMBERS: Final = 16
"""Of an ensemble: as many answers to one request as labels are joined with."""


class Metadata(Part):
    """What the release is called."""

    name: ReleaseName
    """`SERVICE`, or `SERVICE.NAME` where a service has several releases"""
    labels: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class Route(Part):
    """Which requests at the proxy belong to the release."""

    prefix: Annotated[str, Field(pattern=r"^/")] = "/"
    """path prefix"""
    condition: ConditionText | None = None
    """which of the requests with this prefix take part; the others go to the baseline, and count for nothing"""


class Objective(Part):
    """What the best variant has most of (or, to minimise, least of)."""

    metric: Annotated[str, Field(min_length=1)] = "success"
    """`success`: responses that are no errors; the name of one of `metrics`: its value in each second, of which each is
    one observation; any other name: outcomes of that name, with values from 0 to 1"""
    goal: Literal["maximize", "minimize"] = "maximize"
    values: Literal["share", "real"] = "share"
    """`share`: values lie between 0 and 1; `real`: they need not (revenue, ratings)"""
    prior: Prior | None = None
    """what is believed before anything has come"""
    attribution: Attribution | None = None
    """how outcomes find their requests; without it each outcome is a trial, and counts when it comes"""

    @model_validator(mode="after")
    def _attribution_fits(self) -> Self:
        if self.attribution is None:
            return self
        if self.metric == "success":
            raise ValueError("attribution: expected a metric of outcomes, for success is known when a request ends")
        if self.values == "share":
            self.attribution.refuse_shares()
        return self


class Spec(Part):
    """What is released, how, and what must not happen."""

    route: Route = Route()
    baseline: Name
    variants: Annotated[tuple[Variant, ...], Field(min_length=2)]
    outcomes: Annotated[tuple[OutcomeName, ...], Field(max_length=MAX_OUTCOMES)] = ()
    """those that services tell of. Where some are named here, any other name is refused in this file"""
    metrics: Annotated[tuple[UserMetric, ...], Field(max_length=MAX_METRICS)] = ()
    """figures of your own: for guardrails and the objective, and shown in decisions"""
    segments: Annotated[tuple[Segment, ...], Field(max_length=MAX_SEGMENTS)] = ()
    """strata of traffic whose evidence is kept apart; traffic of others counts in the whole"""
    stickiness: Stickiness | None = None
    """how visitors are kept on the variant that they had; without it each request goes by weight"""
    objective: Objective = Objective()
    guardrails: tuple[AnyGuardrail, ...] = ()
    false_aborts: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """the probability that guardrails ever fail a candidate although all candidates keep all bounds"""
    limits: Limits = Limits()
    scaling: Scaling | None = None
    """bounds on response times, and what to scale when they are crossed"""
    stale_weights: StaleWeights = StaleWeights()
    """what becomes of the weights at proxies and services when nobody stands behind them any more"""
    hooks: Hooks = Hooks()
    """who is asked outside before something is done"""
    strategy: Strategy

    @property
    def bounds(self) -> tuple[Guardrail, ...]:
        """The guardrails that bound what single variants do."""
        of_all = (SampleRatioGuardrail, ReactionGuardrail)
        return tuple(rail for rail in self.guardrails if not isinstance(rail, of_all))

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [variant.name for variant in self.variants]
        refuse_repeated("variants", names)
        refuse_repeated(
            "variants", [variant.at_proxy for variant in self.variants if variant.is_resolved], what="target"
        )
        if self.baseline not in names:
            nearest = near(self.baseline, names)
            raise ValueError(
                f"baseline: expected one of the variants {', '.join(names)}, got {self.baseline!r}{nearest}"
            )
        refuse_repeated("guardrails", [rail.title for rail in self.guardrails])
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        check_metrics(self.metrics, self.outcomes)
        check_guardrails(self.bounds, self.metrics, self.outcomes)
        check_objective(self.objective.metric, self.metrics, self.outcomes)
        check_segments(self.segments)
        check_conditions(self.route.condition or "", self._own_conditions())
        outcomes_read(self.bounds, self.metric_of_name)
        if (metric := self.objective_metric) is not None:
            if self.objective.attribution is not None:
                raise ValueError(f"objective.attribution: {metric.name} is a metric of seconds, expected outcomes")
            is_share = isinstance(metric, Composite)
            if is_share != (self.objective.values == "share"):
                kind, expected = ("a composite, from 0 to 1", "share") if is_share else ("an expression", "real")
                raise ValueError(f"objective.values: {metric.name} is {kind}: expected {expected}")
        return self

    def _own_conditions(self) -> Iterator[tuple[str, str]]:
        texts = [(f"variants.{place}", variant.condition) for place, variant in enumerate(self.variants)]
        texts += [(f"segments.{place}", segment.condition) for place, segment in enumerate(self.segments)]
        return ((f"{field}.condition", text) for field, text in texts if text is not None)

    @cached_property
    def metric_of_name(self) -> dict[str, AnyMetric]:
        """The metrics by their names."""
        return {metric.name: metric for metric in self.metrics}

    @property
    def objective_metric(self) -> AnyMetric | None:
        """The metric that the objective names; None where it is a built-in one or an outcome."""
        return self.metric_of_name.get(self.objective.metric)

    @property
    def share_metric(self) -> str:
        """The outcome whose values have to be shares; empty where the objective is not of such."""
        objective = self.objective
        is_outcome = objective.metric != SUCCESS and self.objective_metric is None
        return objective.metric if is_outcome and objective.values == "share" else ""

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if isinstance(self.strategy, Bandit):
            self._policy_fits(self.strategy.policy)
        if isinstance(self.strategy, AbTest):
            self._split_fits(self.strategy.split)
        if isinstance(self.strategy, BlueGreen) and len(self.variants) != _BLUE_AND_GREEN:
            raise ValueError(f"strategy: blueGreen takes two variants, got {len(self.variants)}")
        if isinstance(self.strategy, Ensemble):
            self._members_fit()
        self._prior_fits()
        if self.hooks.confirm_promotion and isinstance(self.strategies[-1], Bandit | Shadow | Ensemble):
            raise ValueError(
                f"hooks.confirmPromotion: {self.strategies[-1].type} promotes nothing that could be confirmed"
            )
        check_limits(self.limits, self.variants, self.baseline, self.strategy)
        self._then_fits()
        return self

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies that the release has, one after the other."""
        then = self.strategy.then if isinstance(self.strategy, Shadow) else None
        return (self.strategy,) if then is None else (self.strategy, then)

    @cached_property
    def after_shadow(self) -> "Spec | None":
        """What the release goes on with once its shadow phase has passed: the same with another strategy, or nothing.

        Raises pydantic's `ValidationError` where that strategy does not fit, which no spec is made with.
        """
        if not isinstance(self.strategy, Shadow) or self.strategy.then is None:
            return None
        document = self.model_dump(mode="json", by_alias=True)
        return Spec.model_validate({**document, "strategy": document["strategy"]["then"]})

    def _then_fits(self) -> None:
        try:
            self.after_shadow  # noqa: B018 - made here for the first time
        except ValidationError as error:
            told = error.errors()[0]["msg"].removeprefix("Value error, ").removeprefix("strategy.")
            raise ValueError(f"strategy.then.{told}") from None

    def _prior_fits(self) -> None:
        names, is_real = [variant.name for variant in self.variants], self.objective.values == "real"
        if self.objective.prior is not None:
            try:
                check_prior(self.objective.prior, names, self.strategy, real_valued=is_real)
            except ValueError as error:
                raise ValueError(f"objective.prior{error}") from None

    def _policy_fits(self, policy: PolicySpec) -> None:
        try:
            check_rewards(policy, real_valued=self.objective.values == "real")
        except ValueError as error:
            raise ValueError(f"strategy.policy: {error}") from None
        if isinstance(policy, Segmented | Linear):
            if not self.segments:
                raise ValueError(f"strategy.policy: {policy.type} needs segments, and the file names none")
            if self.objective_metric is not None:
                raise ValueError(
                    f"strategy.policy: {policy.type}: expected an objective of responses or outcomes, for seconds of a"
                    f" metric are not kept by segment; got {self.objective.metric!r}"
                )

    def _members_fit(self) -> None:
        """Every member of an ensemble answers every request, so nothing may send requests to one of them."""
        all_answer = "for every member of an ensemble answers every request"
        if len(self.variants) > MAX_MEMBERS:
            raise ValueError(f"variants: an ensemble has {MAX_MEMBERS} members at most, got {len(self.variants)}")
        if self.stickiness is not None:
            raise ValueError(f"stickiness: expected none, {all_answer}")
        for place, variant in enumerate(self.variants):
            if variant.condition is not None:
                raise ValueError(f"variants.{place}.condition: expected none, {all_answer}")
        for place, rail in enumerate(self.guardrails):
            if isinstance(rail, SampleRatioGuardrail):
                raise ValueError(f"guardrails.{place}: expected no sample_ratio, {all_answer}")  # noqa: TRY004 - pydantic

    def _split_fits(self, split: dict[str, int]) -> None:
        names = [variant.name for variant in self.variants]
        if split and sorted(split) != sorted(names):
            raise ValueError(f"strategy.split: expected a share of each of {', '.join(names)}, got {', '.join(split)}")
        if split and sum(split.values()) != BASIS_POINTS:
            raise ValueError(f"strategy.split: shares sum to {sum(split.values())} bp, expected {BASIS_POINTS}")


class Release(Part):
    """One rollout of a service or model, with a name and a life."""

    api_version: Literal["trimtab.dev/v1"]
    kind: Literal["Release"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> ReleaseId:
        """The name that telemetry and commands use."""
        return ReleaseId(self.metadata.name)

    def document(self) -> bytes:
        """Gives the release as JSON, as it travels in the evidence log; `parse_document` reads it back."""
        return self.model_dump_json(by_alias=True).encode()


def parse_document(document: bytes) -> Release:
    """Gives the release that `document` (of `Release.document`) holds. Raises pydantic's `ValidationError`."""
    return Release.model_validate_json(document)
