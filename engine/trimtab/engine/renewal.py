"""What a release begins anew with, under another spec or the same one: weights, and what outlives evidence.

Weights stay where they are; those of variants that take no part any more go to the baseline. What arms have earned
under an earlier spec is theirs no more, but what a shadow phase saw of the same objective may be a prior, and what
there is of resources is there whatever is released.
"""

from trimtab.engine.belief import Belief, sums_of_sample
from trimtab.engine.evidence import Evidence
from trimtab.engine.guard import keep_of
from trimtab.engine.objective import Objective
from trimtab.engine.prior import Seed
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.segment_weights import carried, carried_over
from trimtab.schemas.decision import Phase
from trimtab.schemas.release import Release, Spec, parse_document
from trimtab.schemas.strategy import Shadow


def in_force(document: bytes, *, has_gone_on: bool) -> Release:
    """Gives the release that a file describes; `has_gone_on`: as it is after its shadow phase."""
    release = parse_document(document)
    if has_gone_on and (spec := release.spec.after_shadow) is not None:
        return release.model_copy(update={"spec": spec})
    return release


def seed_for(spec: Spec, before: Spec, state: ReleaseState, belief: Belief) -> dict[str, Seed]:
    """Gives what a shadow phase of the same objective has seen, if one has completed under the spec `before`."""
    if (spec.objective.metric, spec.objective_metric) != (before.objective.metric, before.objective_metric):
        return {}
    if spec.objective.attribution != before.objective.attribution:
        return {}
    if not isinstance(before.strategy, Shadow) or state.phase is not Phase.COMPLETED:
        return state.seed
    names = [variant.name for variant in before.variants]
    return dict(zip(names, map(sums_of_sample, belief.samples()), strict=True))


def renewed(spec: Spec, before: Spec, state: ReleaseState, evidence: Evidence) -> ReleaseState:
    """Gives the state that a release goes on with; `evidence` starts anew."""
    had, names = ([variant.name for variant in one.variants] for one in (before, spec))
    evidence.admit(names)
    evidence.require_shares(spec.share_metric)
    evidence.restart(state.now_ms // 1000, keep_of(spec))
    totals, objective = evidence.totals, Objective(spec, evidence)
    earned = {name: objective.sums(name) for name in names}
    return ReleaseState(
        weights=carried_over(dict(zip(had, state.weights, strict=True)), names, spec.baseline),
        segment_weights=carried(state.segment_weights, had, names, spec.baseline),
        origin={name: (trials, total) for name, (trials, total, _) in earned.items()},
        origin_squares={name: squares for name, (_, _, squares) in earned.items()},
        now_ms=state.now_ms, offset=state.offset, newest=state.newest, step_began_ms=state.now_ms,
        step_responses=[totals[name].responses for name in names], lives=state.lives, began=state.began,
        ranges=state.ranges if spec.stickiness is not None else {}, divergences=state.divergences,
    )  # fmt: skip
