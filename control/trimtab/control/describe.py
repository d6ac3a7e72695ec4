"""A release in words: what it is, how it stands and what it waits for, and what came of it."""

from collections.abc import Iterable, Sequence
from typing import assert_never

from trimtab.control.notation import revision_text, time_text
from trimtab.control.release_view import ReleaseView
from trimtab.control.turns import Turn
from trimtab.schemas.decision import Assessment, Decision, Phase
from trimtab.schemas.guardrail import SampleRatioGuardrail
from trimtab.schemas.limits import Variant
from trimtab.schemas.part import duration_text
from trimtab.schemas.release import Release, Spec, parse_document
from trimtab.schemas.strategy import AbTest, Bandit, BlueGreen, Canary, Ensemble, Shadow

_PERCENT = 100


def describe(view: ReleaseView, turns: Sequence[Turn] | None) -> list[str]:
    """Gives the lines; `turns` are its newest changes, None where they are not known."""
    release, decision = parse_document(view.document), view.decision
    spec = release.spec
    return [
        *_head(release, decision),
        *_section("Strategy", [_strategy(spec), *_objective(spec)]),
        *_section("Variants", [line for variant in spec.variants for line in _variant(variant, spec, decision)]),
        *_section("Guardrails", _guardrails(spec, decision)),
        *_section("Segments", _segments(spec, decision)),
        *_section("Sidecars", _sidecars(view) or ["none reports: nobody is known to route by these weights"]),
        *_section("Traffic does not follow the weights", [one.words for one in decision.divergences]),
        *_section("Events", [_events(decision)]),
        *_section("Changes", ["not known: Kafka does not tell"] if turns is None else [_turn(turn) for turn in turns]),
    ]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    told = [f"  {line}" for line in lines]
    return ["", title, *told] if told else []


def _head(release: Release, decision: Decision) -> list[str]:
    route, labels = release.spec.route, release.metadata.labels
    condition = f", of which only {route.condition}" if route.condition else ""
    return [
        f"Release    {release.name}",
        *([f"Labels     {', '.join(f'{name}={value}' for name, value in labels.items())}"] if labels else []),
        f"Route      {route.prefix}{condition}",
        f"Phase      {decision.phase}: {_waits_for(decision)}",
        f"Revision   {revision_text(decision.id)}, decided at {time_text(decision.time_ms)}",
    ]


def _waits_for(decision: Decision) -> str:
    """Gives what will move the release on, or what it ended with."""
    match decision.phase:
        case Phase.PROGRESSING if decision.queued_behind:
            return f"waits until {decision.queued_behind} is over, which keeps the traffic of the service"
        case Phase.PROGRESSING:
            return decision.rule
        case Phase.PAUSED:
            return f"waits for `trimtab resume {decision.release}`; guardrails stay on guard ({decision.rule})"
        case Phase.FROZEN:
            return f"waits for `trimtab resume {decision.release}`, whatever happens ({decision.rule})"
        case Phase.PROMOTED | Phase.ROLLED_BACK | Phase.COMPLETED:
            return f"over, until another file is applied or `trimtab retry {decision.release}` ({decision.rule})"
        case _:
            assert_never(decision.phase)


def _strategy(spec: Spec) -> str:
    strategy = spec.strategy
    match strategy:
        case Canary():
            steps = ", ".join(map(_share, strategy.steps))
            return (
                f"canary in steps of {steps}, each for {duration_text(strategy.hold)} at least, by {strategy.advance}"
            )
        case BlueGreen():
            looks = f"{duration_text(strategy.verify)} before the switch and {duration_text(strategy.watch)} after it"
            return f"blue/green, looked at for {looks}; the switch is by {strategy.switch}"
        case AbTest():
            split = ", ".join(f"{name} {_share(share)}" for name, share in strategy.split.items()) or "even"
            end = f"for {duration_text(strategy.duration)} at most; a winner: {strategy.on_winner}"
            return f"A/B test, split {split}, {end}"
        case Shadow():
            copies = f"{_share(strategy.mirror)} of requests copied, for {duration_text(strategy.duration)} at least"
            after = f"; then {_strategy(spec.after_shadow)}" if spec.after_shadow is not None else ""
            return f"shadow: {copies}{after}"
        case Bandit():
            return f"bandit: policy {strategy.policy.type}, chosen anew every {duration_text(strategy.interval)}"
        case Ensemble():
            return (
                f"ensemble: every variant answers, combined by {strategy.combine}; weights chosen anew every"
                f" {duration_text(strategy.interval)}"
            )
        case _:
            assert_never(strategy)


def _objective(spec: Spec) -> list[str]:
    limits, objective = spec.limits, spec.objective
    return [
        f"{objective.goal} {objective.metric}",
        f"at most {_share(limits.max_step)} in one step, candidates at most {_share(limits.max_weight)}",
    ]


def _share(points: int) -> str:
    return f"{points / _PERCENT:g} %"


def _variant(variant: Variant, spec: Spec, decision: Decision) -> list[str]:
    arm = next((arm for arm in decision.arms if arm.variant == variant.name), None)
    role = ", the baseline" if variant.name == spec.baseline else ""
    target = f", target {variant.at_proxy}" if variant.at_proxy != variant.name else ""
    if arm is None:
        return [f"{variant.name}{role}{target}: nothing is known yet"]
    whole = "each answer" if isinstance(spec.strategy, Ensemble) else "the traffic"
    seen = f"{arm.requests} requests, {arm.responses} responses, {arm.errors} errors"
    out = [f"  takes no traffic: {arm.excluded}"] if arm.excluded else []
    return [
        f"{variant.name}{role}{target}: {_share(arm.weight)} of {whole}, P(best) {arm.probability_best:.3f}",
        *out,
        f"  {seen}; believed mean {arm.mean:.4f}",
    ]


def _guardrails(spec: Spec, decision: Decision) -> list[str]:
    """Gives each guardrail with what it says of each variant."""
    if not spec.guardrails:
        return ["none: nothing takes a variant out but a person"]
    lines = []
    for rail in spec.guardrails:
        own = [found for found in decision.assessments if found.guardrail == rail.title]
        kind = "" if isinstance(rail, SampleRatioGuardrail) else f", {rail.severity}, on a fail: {rail.on_fail}"
        lines += [f"{rail.title}{kind}", *[f"  {_verdict(found)}" for found in own]]
        lines += [] if own else ["  nothing was looked at yet"]
    return lines


def _verdict(found: Assessment) -> str:
    value = "nothing seen" if found.value is None else f"{found.value:.4g}"
    return f"{found.variant}: {found.verdict}, {value} against {found.bound} {found.limit:.4g} after {found.n}"


def _segments(spec: Spec, decision: Decision) -> list[str]:
    lines = []
    for segment in spec.segments:
        weights = decision.segments.get(segment.name)
        own = ", ".join(f"{name} {_share(weight)}" for name, weight in weights.items()) if weights else "as the whole"
        lines.append(f"{segment.name}: {own}")
    return lines


def _sidecars(view: ReleaseView) -> list[str]:
    newest = view.decision.revision
    lines = []
    for report in view.sidecars:
        behind = newest - report.in_force[1]
        state = "in force" if behind <= 0 else f"in force, {behind} behind"
        refused = f"; refuses {report.offered[1]}: {report.refused}" if report.refused else ""
        lines.append(f"{report.sidecar} ({report.proxy}): revision {report.in_force[1]} {state}{refused}")
    return lines + view.unread


def _events(decision: Decision) -> str:
    seen = decision.seen
    return f"{seen.counted} counted, {seen.late} late, {seen.dead_lettered} dead-lettered"


def _turn(turn: Turn) -> str:
    made = turn.decision
    weights = " ".join(f"{variant}={weight}" for variant, weight in made.weights.items())
    return f"{time_text(made.time_ms)} {made.revision} {made.phase} {weights}: {made.rule}"
