"""Law 5: weights are whole, limits hold, revisions only grow."""

from itertools import pairwise

from hypothesis import given, settings

from engine.evidence_logs import Entry, advanced, evidence_logs
from trimtab.engine.ledger import Ledger
from trimtab.schemas.decision import Decision
from trimtab.schemas.release import Release, parse_document

Made = tuple[Decision, Release]


def made(log: list[Entry]) -> list[Made]:
    """All decisions on the release, each with the spec that it was made under."""
    effects = advanced(Ledger(), log)
    return [(done.decision, parse_document(done.document)) for each in effects for done in each.published]


@settings(max_examples=50)
@given(evidence_logs())
def test_every_decision_sums_to_10000_and_no_weight_is_negative(log: list[Entry]) -> None:
    for decision, release in made(log):
        assert sum(decision.weights.values()) == 10_000
        assert min(decision.weights.values()) >= 0
        assert list(decision.weights) == [variant.name for variant in release.spec.variants]


@settings(max_examples=50)
@given(evidence_logs())
def test_revisions_only_grow_and_each_names_the_one_it_replaces(log: list[Entry]) -> None:
    decisions = [decision for decision, _ in made(log)]
    assert decisions[0].replaces == (0, 0)
    for before, after in pairwise(decisions):
        assert after.id > before.id
        assert tuple(after.replaces) == before.id


@settings(max_examples=50)
@given(evidence_logs())
def test_no_weight_moves_further_than_the_step_where_nobody_has_to_give_way(log: list[Entry]) -> None:
    for (before, _), (after, release) in pairwise(made(log)):
        if not gives_way(after):
            for name in after.weights.keys() & before.weights.keys():
                assert abs(after.weights[name] - before.weights[name]) <= release.spec.limits.max_step


@settings(max_examples=50)
@given(evidence_logs())
def test_what_has_to_give_way_goes_to_the_baseline_alone(log: list[Entry]) -> None:
    for (before, _), (after, release) in pairwise(made(log)):
        if gives_way(after):
            for name in after.weights.keys() - {release.spec.baseline}:
                assert after.weights[name] in (0, before.weights.get(name, 0))


def gives_way(after: Decision) -> bool:
    """Whether a variant was excluded, the release aborted, or another set of variants applied."""
    return after.rule.startswith(("guardrail: ", "abort ", "applied: "))


@settings(max_examples=50)
@given(evidence_logs())
def test_a_variant_that_is_excluded_takes_nothing_until_another_spec_comes(log: list[Entry]) -> None:
    for decision, _ in made(log):
        for arm in decision.arms:
            assert arm.weight == decision.weights[arm.variant]
            if arm.excluded:
                assert arm.weight == 0


@settings(max_examples=50)
@given(evidence_logs())
def test_no_candidate_rises_above_its_cap_before_it_is_promoted(log: list[Entry]) -> None:
    for (before, _), (after, release) in pairwise(made(log)):
        if after.rule.endswith("takes all") or after.rule.startswith("promote "):
            continue
        for name in after.weights.keys() - {release.spec.baseline}:
            assert after.weights[name] <= max(release.spec.limits.max_weight, before.weights.get(name, 0))
