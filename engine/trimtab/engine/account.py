"""A decision's account of itself: what it saw, concluded and rests on, so that a person can check it."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import msgspec
from msgspec.structs import replace

from trimtab.engine.belief import Belief, sums_of_sample
from trimtab.engine.cohort_book import CohortBook
from trimtab.engine.evidence import Evidence
from trimtab.engine.metric import Missing, value_of
from trimtab.engine.objective import Objective
from trimtab.engine.posterior import NormalInverseGamma
from trimtab.engine.prior import Pseudo, reason_of
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.strategy.situation import Move
from trimtab.engine.window import SHOWN_QUANTILES, ArmWindow
from trimtab.schemas.combination import Combination
from trimtab.schemas.decision import Arm, Assessment, Decision, Seen, SegmentArm, WeightsRecord
from trimtab.schemas.evidence import COUNTS, VALUE_SCALE
from trimtab.schemas.ids import Revision
from trimtab.schemas.release import Release, Spec
from trimtab.schemas.strategy import Ensemble, Shadow

_SHOWN_WINDOW_MS: Final = 60_000
_ARM: Final = Arm(
    variant="", weight=0, excluded="", trials=0, reward_sum=0.0, alpha=0.0, beta=0.0, mean=0.0, probability_best=0.0,
    requests=0, responses=0, errors=0, in_flight=0, error_ratio=None, p50_ms=None, p99_ms=None,
)  # fmt: skip
"""To replace all that it says takes less than to make one anew; step by step, for of more than 14 keywords Python makes
a dictionary first, which takes as long as all else."""
# By place, for a decision asks it of every variant.
_requests_to_errors = itemgetter(*(COUNTS.index(name) for name in ("requests", "responses", "errors")))
_P50, _P99 = SHOWN_QUANTILES.index(0.5), SHOWN_QUANTILES.index(0.99)


class Basis(msgspec.Struct, frozen=True, gc=False):
    """What a decision rests on."""

    names: Sequence[str]
    """of the variants, in the order of the release file"""
    state: ReleaseState
    """as the decision leaves it"""
    evidence: Evidence
    objective: Objective
    belief: Belief
    assessments: dict[str, list[Assessment]]
    """variant -> its guardrails' verdicts"""
    wanted: Move | None = None
    """what the strategy wanted; None where it was not asked"""


def decision_of(release: Release, basis: Basis, rule: str, replaces: Revision) -> Decision:
    """Gives the decision that `rule` made, with the numbers behind it."""
    state, evidence = basis.state, basis.evidence
    (era, revision), (counted, late) = state.newest, evidence.events
    excluded = [f"{name} takes no traffic: {why}" for name, why in state.excluded.items()]
    made = Decision(
        release=release.name, era=era, revision=revision, replaces=replaces, time_ms=state.now_ms,
        phase=state.phase, strategy=release.spec.strategy.type, step=state.step,
        weights=dict(zip(basis.names, state.weights, strict=True)),
        rule=rule,
        reasons=[rule, *excluded, *reason_of(release.spec, state.seed)], arms=_arms(release, basis),
        assessments=[verdict for verdicts in basis.assessments.values() for verdict in verdicts],
        seen=Seen(
            offset=revision - 1,
            sources={str(source): offset for source, offset in sorted(evidence.offsets.items())},
            counted=counted, late=late, dead_lettered=evidence.dead_lettered,
        ),
    )  # fmt: skip
    segments = weights_by_segment(release.spec, state)
    if segments or state.behind or state.awaits:
        made = replace(made, segments=segments, queued_behind=state.behind, awaits=state.awaits)
    return made


def weights_of(
    decision: Decision, spec: Spec, state: ReleaseState, candidates: Sequence[str], targets: dict[str, str]
) -> WeightsRecord:
    """Gives what a sidecar needs of a decision.

    `candidates` are those that may take traffic; `targets`: variant -> what it is called at the proxy.
    """
    strategy = spec.strategy
    is_live = not state.phase.is_over and not state.behind
    copies = isinstance(strategy, Shadow) and is_live
    return WeightsRecord(
        release=decision.release, era=decision.era, revision=decision.revision, time_ms=decision.time_ms,
        phase=decision.phase, weights=decision.weights, prefix=spec.route.prefix,
        targets=targets,
        mirror=dict.fromkeys(candidates, strategy.mirror) if isinstance(strategy, Shadow) and copies else {},
        segments=decision.segments, queued_behind=state.behind, began=state.began, ranges=state.ranges,
        ensemble=_combination(strategy, spec, state) if isinstance(strategy, Ensemble) and is_live else None,
    )  # fmt: skip


def _combination(strategy: Ensemble, spec: Spec, state: ReleaseState) -> Combination:
    members = [variant.name for variant in spec.variants if variant.name not in state.excluded]
    return Combination(members=members, combine=strategy.combine)


def _arms(release: Release, basis: Basis) -> list[Arm]:
    names, state, evidence, belief = basis.names, basis.state, basis.evidence, basis.belief
    best = belief.probabilities([name not in state.excluded for name in names])
    windows = evidence.windows(_SHOWN_WINDOW_MS)
    spec, book, wanted = release.spec, evidence.requests, basis.wanted
    targets = wanted.target if wanted else [None] * len(names)
    arms = []
    for name, weight, (trials, reward_sum), beta, chance, target in zip(
        names, state.weights, belief.rewards(), belief.posteriors(), best, targets, strict=True
    ):
        totals, window = evidence.totals[name], windows[name]
        requests, responses, errors = _requests_to_errors(totals.counts)
        quantiles = window.quantiles_ms
        seen = replace(
            _ARM, variant=name, weight=weight, excluded=state.excluded.get(name, ""),
            requests=requests, responses=responses, errors=errors, in_flight=totals.in_flight,
            error_ratio=window.error_ratio, p50_ms=quantiles[_P50], p99_ms=quantiles[_P99],
        )  # fmt: skip
        arms.append(
            replace(
                seen, trials=trials, reward_sum=reward_sum / VALUE_SCALE, alpha=beta.alpha, beta=beta.beta,
                mean=beta.mean, probability_best=chance, target=target,
            )
        )  # fmt: skip
    if spec.metrics:
        arms = [replace(arm, metrics=_measured(spec, windows[arm.variant], arm.in_flight)) for arm in arms]
    if spec.segments:
        arms = [replace(arm, segments=_segments(spec, basis, arm.variant)) for arm in arms]
    if book is not None and (cohorts := book.cohorts) is not None:
        arms = [replace(arm, **_waiting(cohorts, book.arm(arm.variant))) for arm in arms]
    if belief.has_prior:
        arms = [_believed(arm, prior) for arm, prior in zip(arms, belief.priors, strict=True)]
    if spec.objective.values == "real":
        known = zip(arms, belief.means(), belief.samples(), strict=True)
        arms = [_real(arm, mean, sums_of_sample(sample)[2]) for arm, mean, sample in known]
    return arms


def _waiting(cohorts: CohortBook, arm: int) -> dict[str, int]:
    """Gives what of a variant is not in its rewards, where the objective has an attribution."""
    return {
        "maturing": cohorts.maturing(arm), "outside": cohorts.outside[arm], "unjoined": cohorts.unjoined[arm],
    }  # fmt: skip


def _measured(spec: Spec, window: ArmWindow, in_flight: int) -> dict[str, float | None]:
    """Gives the release's metrics in a window."""
    shown: dict[str, float | None] = {}
    for metric in spec.metrics:
        value = value_of(metric, window, in_flight)
        shown[metric.name] = None if isinstance(value, Missing) else value
    return shown


def _segments(spec: Spec, basis: Basis, variant: str) -> dict[str, SegmentArm]:
    arm, shown = basis.names.index(variant), {}
    targets = basis.wanted.segments if basis.wanted else {}
    for segment in spec.segments:
        name = segment.name
        totals = basis.evidence.segment_totals(variant, name)
        window = basis.evidence.window(variant, _SHOWN_WINDOW_MS, name)
        trials, reward_sum, _ = basis.objective.sums_in(variant, name)
        shown[name] = SegmentArm(
            weight=basis.state.weights_in(name)[arm], trials=trials, reward_sum=reward_sum / VALUE_SCALE,
            requests=totals.requests, responses=totals.responses, errors=totals.errors,
            error_ratio=window.error_ratio, p50_ms=window.quantile_ms(0.5), p99_ms=window.quantile_ms(0.99),
            metrics=_measured(spec, window, totals.in_flight),
            target=targets[name][arm] if name in targets else None,
        )  # fmt: skip
    return shown


def weights_by_segment(spec: Spec, state: ReleaseState) -> dict[str, dict[str, int]]:
    """Gives the weights of the segments that have some of their own, by variant."""
    if not state.segment_weights:  # as in most releases
        return {}
    names = [variant.name for variant in spec.variants]
    return {
        segment: dict(zip(names, weights, strict=True)) for segment, weights in sorted(state.segment_weights.items())
    }


def _believed(arm: Arm, prior: Pseudo) -> Arm:
    return replace(arm, prior_trials=prior.trials, prior_reward_sum=prior.rewards)


def _real(arm: Arm, mean: NormalInverseGamma, squares: float) -> Arm:
    """Gives an arm whose mean reward is no share: Student's t instead of a Beta distribution."""
    return replace(
        arm, alpha=0.0, beta=0.0, mean=mean.mean, scale=mean.scale, degrees=mean.degrees, reward_square_sum=squares
    )  # fmt: skip
