"""The arithmetic of a decision in words and numbers, so that a person can check it by hand.

One function tells about each part: `_arm` about what is known of a variant, `_in_segment` about that of a segment,
`_assessment` about a guardrail's verdict, `_weights` about the move. Whoever adds a field to a decision adds its words
there. Shares and probabilities are written with as many digits as tell them apart from a threshold; counts and weights
are whole.
"""

from collections.abc import Mapping
from math import exp, isclose, sqrt
from typing import Final, NamedTuple

from trimtab.control.limited import Limited, LimitedVariant
from trimtab.control.notation import revision_text, time_text
from trimtab.schemas.decision import Arm, Assessment, Decision, ScalingAdvice, SegmentArm
from trimtab.schemas.ids import NO_REVISION

_UNKNOWN: Final = "unknown"
_NO_TIME: Final = "0ms"
_MANY: Final = 1_000
"""From it on a number is a sum, of which six digits might not tell what has to be taken from it."""
_CHOSEN_ANEW: Final = ("bandit", "ensemble")
"""Strategies under which weights have floors, and follow the evidence all the time."""


def explain(decision: Decision, replaced: Decision | None, limited: Limited | None = None) -> list[str]:
    """Gives the lines that explain a decision.

    `replaced` is the decision before it, None where that is not known; `limited` what the file that it was made under
    says of limits.
    """
    return [
        *_head(decision),
        *_section("Weights, in basis points", _weights(decision, replaced)),
        *_section("Weights of segments, in basis points", _segment_weights(decision, replaced)),
        *_section("Limits", [] if limited is None else _limits(limited)),
        *_section("What it saw", [line for arm in decision.arms for line in _arm(arm, _all_real(decision.arms))]),
        *_section("What it concluded", [line for found in decision.assessments for line in _assessment(found)]),
        *_section("Traffic that does not follow the weights", [one.words for one in decision.divergences]),
        *_section("Scaling", [line for advice in decision.scaling for line in _advice(advice)]),
        *_section("What it rests on", _rests_on(decision)),
    ]


def _head(decision: Decision) -> list[str]:
    replaces = decision.replaces
    before = "nothing: it is the first" if replaces == NO_REVISION else f"revision {revision_text(replaces)}"
    step = f", step {decision.step + 1}" if decision.strategy in ("canary", "blueGreen") else ""
    return [
        f"{decision.release}: revision {revision_text(decision.id)}, decided at {time_text(decision.time_ms)}",
        f"replaces {before}",
        *([f"queued: {decision.queued_behind} keeps the traffic of the service"] if decision.queued_behind else []),
        f"{decision.phase}, strategy {decision.strategy}{step}",
        f"rule: {decision.rule}",
        *[f"also: {reason}" for reason in decision.reasons if reason != decision.rule],
    ]


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *[f"  {line}" for line in lines]] if lines else []


def _weights(decision: Decision, replaced: Decision | None) -> list[str]:
    weights = decision.weights
    total = f"together {' + '.join(map(str, weights.values()))} = {sum(weights.values())}"
    wanted = _wanted({arm.variant: arm.target for arm in decision.arms})
    if replaced is None:
        told = [f"{variant}: {weight}" for variant, weight in weights.items()]
        is_first = decision.replaces == NO_REVISION
        unknown = f"where they were before, in revision {revision_text(decision.replaces)}, is not known here"
        return [*wanted, *told, total, *([] if is_first else [unknown])]
    everybody = {**weights, **{variant: 0 for variant in replaced.weights if variant not in weights}}
    moves = [_move(variant, replaced.weights.get(variant, 0), now) for variant, now in everybody.items()]
    return [*wanted, *moves, total]


def _wanted(targets: Mapping[str, float | None]) -> list[str]:
    """Gives what the strategy wanted, before limits; nothing where it was not asked, or an older worker decided."""
    told = [f"{variant} {target:.2f}" for variant, target in targets.items() if target is not None]
    return [f"the strategy wanted {', '.join(told)}, before limits"] if told else []


def _segment_weights(decision: Decision, replaced: Decision | None) -> list[str]:
    """Gives the weights of each segment that has some of its own, and where they were before."""
    lines = []
    for segment, weights in decision.segments.items():
        before = {} if replaced is None else replaced.segments.get(segment, replaced.weights)
        told = [
            f"{variant} {now}" if replaced is None else _short_move(variant, before.get(variant, 0), now)
            for variant, now in weights.items()
        ]
        wanted = {arm.variant: arm.segments[segment].target for arm in decision.arms if segment in arm.segments}
        lines += [f"{segment}: {line}" for line in _wanted(wanted)]
        lines.append(f"{segment}: {', '.join(told)}; together {sum(weights.values())}")
    return [*lines, "traffic of any other segment has the weights above"] if lines else []


def _move(variant: str, before: int, now: int) -> str:
    return f"{variant}: {before} -> {now} ({now - before:+d})" if now != before else f"{variant}: {now}, as before"


def _short_move(variant: str, before: int, now: int) -> str:
    return f"{variant} {before} -> {now}" if now != before else f"{variant} {now}"


def _limits(limited: Limited) -> list[str]:
    limits = limited.limits
    bandit = limited.strategy if limited.strategy.type in _CHOSEN_ANEW else None
    lines = [
        f"a weight moves by at most {limits.max_step} in one decision",
        f"what an exclusion or an abort takes goes straight to {limited.baseline}, the baseline",
        f"a candidate takes at most {limits.max_weight} while the release progresses",
    ]
    if limits.holdout:
        lines.append(f"{limited.baseline} keeps at least {limits.holdout}, the holdout, also after a promotion")
    if limits.cooldown != _NO_TIME:
        lines.append(f"after a move weights stay where they are for {limits.cooldown}")
    if bandit is not None:
        lines.append(f"a variant that may take traffic keeps at least {limits.min_weight}")
        lines.append(f"weights are chosen anew every {bandit.interval} at most")
    if bandit is not None and limits.hysteresis:
        lines.append(f"a move of less than {limits.hysteresis} in every weight is not made")
    return lines + [line for variant in limited.variants for line in _own_limits(variant)]


def _own_limits(variant: LimitedVariant) -> list[str]:
    floor = [] if variant.min_weight is None else [f"{variant.name} keeps at least {variant.min_weight}"]
    cap = [] if variant.max_weight is None else [f"{variant.name} takes at most {variant.max_weight}"]
    return floor + cap


class _AllReal(NamedTuple):
    """What all variants have earned of an objective whose values are real, the prior's part included."""

    trials: float
    rewards: float
    squares: float | None
    """None where they are not known, for there is a prior or an older worker decided"""

    @property
    def mean(self) -> float:
        return self.rewards / self.trials if self.trials else 0.0

    @property
    def variance(self) -> float | None:
        return self.squares / self.trials - self.mean**2 if self.squares is not None and self.trials else None


def _all_real(arms: list[Arm]) -> _AllReal:
    known = all(arm.reward_square_sum is not None and not arm.prior_trials for arm in arms)
    return _AllReal(
        sum(arm.trials + arm.prior_trials for arm in arms),
        sum(arm.reward_sum + arm.prior_reward_sum for arm in arms),
        sum(arm.reward_square_sum or 0.0 for arm in arms) if known else None,
    )


def _arm(arm: Arm, together: _AllReal) -> list[str]:
    ends = f"{arm.requests} requests, {arm.responses} responses, {arm.errors} errors, {arm.in_flight} in flight"
    return [
        f"{arm.variant}, weight {arm.weight}" + (f", takes no traffic: {arm.excluded}" if arm.excluded else ""),
        f"  rewards: {_number(arm.reward_sum)} from {arm.trials} trials{_squares(arm)}{_waiting(arm)}",
        f"  posterior: {_posterior(arm)}",
        f"  mean: {_mean(arm, together)}",
        *_scale(arm, together),
        f"  P(best) = {_number(arm.probability_best)}",
        f"  since the release began: {ends}",
        f"  last minute: {_last_minute(arm)}",
        *_metrics(arm),
        *[f"  {line}" for segment, known in arm.segments.items() for line in _in_segment(segment, known)],
    ]


def _waiting(arm: Arm) -> str:
    """Gives what is not in the rewards of an objective with an attribution; nothing where there is none."""
    told = (
        (arm.maturing, "requests wait for outcomes"),
        (arm.outside, "outcomes came too late, or of requests of before"),
        (arm.unjoined, "outcomes whose repetitions would not be known"),
    )
    return "".join(f", {count} {what}" for count, what in told if count)


def _metrics(arm: Arm | SegmentArm) -> list[str]:
    """Gives the metrics of the release file; nothing where it has none."""
    told = [f"{name} {_UNKNOWN if value is None else _number(value)}" for name, value in arm.metrics.items()]
    return [f"  metrics, last minute: {', '.join(told)}"] if told else []


def _in_segment(segment: str, known: SegmentArm) -> list[str]:
    ends = f"{known.requests} requests, {known.responses} responses, {known.errors} errors"
    return [
        f"in {segment}, weight {known.weight}: rewards {_number(known.reward_sum)} from {known.trials} trials, {ends}",
        f"  last minute: {_last_minute(known)}",
        *_metrics(known),
    ]


def _squares(arm: Arm) -> str:
    return "" if arm.reward_square_sum is None else f", their squares {_number(arm.reward_square_sum)}"


def _mean(arm: Arm, together: _AllReal) -> str:
    if arm.degrees is not None:
        return _real_mean(arm, together)
    return f"{_number(arm.alpha)} / ({_number(arm.alpha)} + {_number(arm.beta)}) = {_number(arm.mean)}"


def _real_mean(arm: Arm, together: _AllReal) -> str:
    """Gives the mean with what it comes from: one observation at the mean of all, what is believed, what was seen."""
    mean = (together.mean + arm.prior_reward_sum + arm.reward_sum) / (1 + arm.prior_trials + arm.trials)
    if not isclose(abs(mean), abs(arm.mean), rel_tol=1e-6, abs_tol=1e-9):
        return _number(arm.mean)
    is_turned = mean * arm.mean < 0
    rewards = [together.mean, *([arm.prior_reward_sum] if arm.prior_trials else []), arm.reward_sum]
    trials = [1, *([arm.prior_trials] if arm.prior_trials else []), arm.trials]
    ratio = f"({' + '.join(map(_number, rewards))}) / ({' + '.join(map(_number, trials))})"
    turned = ", turned around: less is better" if is_turned else ""
    return f"{'-' * is_turned}{ratio} = {_number(arm.mean)}, from {_number(together.mean)}, the mean of all, on{turned}"


def _scale(arm: Arm, together: _AllReal) -> list[str]:
    """Gives what the scale of Student's t comes from; nothing where that is not all known."""
    variance, squares, n, total = together.variance, arm.reward_square_sum, arm.trials, arm.reward_sum
    if arm.scale is None or arm.degrees is None or variance is None or squares is None or not n:
        return []
    rate = variance + (squares - total**2 / n + (total / n - together.mean) ** 2 * n / (n + 1)) / 2
    if not isclose(sqrt(max(0.0, 2 * rate / (arm.degrees * (n + 1)))), arm.scale, rel_tol=1e-6):
        return []
    sums, first = f"{_number(squares)} - {_number(total)}^2 / {n}", _number(variance)
    apart = f"({_number(total)} / {n} - {_number(together.mean)})^2 x {n} / {n + 1}"
    return [
        f"  scale: sqrt(2 x {_number(rate)} / ({_number(arm.degrees)} x {n + 1})) = {_number(arm.scale)}, where",
        f"    {first} + ({sums} + {apart}) / 2 = {_number(rate)}, from {first}, the variance of all, on",
    ]


def _posterior(arm: Arm) -> str:
    """Gives the distribution, with the counts that it comes from where it is the one of plain counts."""
    if arm.degrees is not None:
        believed = f", {_number(arm.prior_trials)} trials believed besides" if arm.prior_trials else ""
        scale = _number(arm.scale or 0.0)
        return f"Student's t of {_number(arm.degrees)} degrees, scale {scale}{believed}"
    if arm.prior_trials:
        return f"{_believed(arm)} = Beta({_number(arm.alpha)}, {_number(arm.beta)})"
    known = f"Beta({_number(arm.alpha)}, {_number(arm.beta)})"
    missed = arm.trials - arm.reward_sum
    rewards, misses = _number(arm.reward_sum), f"{arm.trials} - {_number(arm.reward_sum)}"
    if isclose(arm.alpha, 1 + arm.reward_sum) and isclose(arm.beta, 1 + missed):
        return f"Beta(1 + {rewards}, 1 + {misses}) = {known}"
    if isclose(arm.alpha, 1 + missed) and isclose(arm.beta, 1 + arm.reward_sum):
        return f"Beta(1 + {misses}, 1 + {rewards}) = {known}, turned around: less is better"
    return known


def _believed(arm: Arm) -> str:
    """Gives the Beta distribution as the sum of what was seen and what was believed before."""
    believed, doubted = arm.prior_reward_sum, arm.prior_trials - arm.prior_reward_sum
    gained, missed = arm.reward_sum, arm.trials - arm.reward_sum
    turned = "" if isclose(arm.alpha, 1 + gained + believed) else ", turned around: less is better"
    parts = ((gained, believed), (missed, doubted)) if not turned else ((missed, doubted), (gained, believed))
    told = ", ".join(f"1 + {_number(seen)} + {_number(prior)}" for seen, prior in parts)
    return f"Beta({told}), of which the last are the prior's{turned}"


def _last_minute(arm: Arm | SegmentArm) -> str:
    if arm.error_ratio is None and arm.p50_ms is None and arm.p99_ms is None:
        return "no responses"
    return ", ".join(
        f"{name} {_UNKNOWN if value is None else _number(value) + unit}"
        for name, value, unit in (
            ("errors", arm.error_ratio, ""), ("p50", arm.p50_ms, " ms"), ("p99", arm.p99_ms, " ms"),
        )
    )  # fmt: skip


def _assessment(found: Assessment) -> list[str]:
    value = "unknown, for nothing was seen" if found.value is None else _number(found.value)
    alpha = _number(exp(-found.threshold))
    tested = (
        f"  ln E = {_number(found.ln_evidence)} after {found.samples} samples since the test began",
        f"  it fails from ln(1 / {alpha}) = {_number(found.threshold)} on; what keeps the bound ever gets there with a",
        f"  probability of {alpha} at most",
    )
    return [
        f"{found.guardrail} of {found.variant}: {found.verdict}",
        f"  value {value}, {found.bound} {_number(found.limit)}{_stretch(found)}",
        *_breaches(found),
        *(
            tested
            if found.threshold
            else ("  no test: it fails while more of the window are above the limit than that",)
        ),
        f"  {found.verdict}, for {found.reason}",
        f"  {found.severity}, on a fail: {found.on_fail}",
    ]


def _advice(advice: ScalingAdvice) -> list[str]:
    beside = "" if advice.baseline_ms is None else f", the baseline {_number(advice.baseline_ms)} ms"
    value = "nothing" if advice.value_ms is None else f"{_number(advice.value_ms)} ms"
    targets = [f"{one.resource}{' of ' * bool(one.target)}{one.target}" for one in advice.changes]
    changes = [f"  {what}: {one.before} -> {one.after}" for what, one in zip(targets, advice.changes, strict=True)]
    quiet = [f"  nothing more before {time_text(advice.quiet_until_ms)}"] if advice.quiet_until_ms else []
    return [
        f"{advice.variant}: {advice.action}, for {advice.reason}",
        f"  response time {value} after {advice.n} responses{beside} after {advice.baseline_n}",
        *changes,
        *quiet,
    ]


def _stretch(found: Assessment) -> str:
    return ", since the test began" if found.bound.lower().endswith("ratio") else f", over the last {found.window_s} s"


def _breaches(found: Assessment) -> list[str]:
    """Gives the share of breaches; nothing where the bound is on none."""
    if not found.allowed_ratio:
        return []
    share = f", a share of {_number(found.breaches / found.n)}" if found.n else ""
    return [f"  {found.breaches} of {found.n} responses breach{share}; {_number(found.allowed_ratio)} is allowed"]


def _rests_on(decision: Decision) -> list[str]:
    seen = decision.seen
    sources = [f"telemetry partition {source} up to offset {offset}" for source, offset in seen.sources.items()]
    return [
        f"evidence up to offset {seen.offset}, which is revision {decision.revision} less one",
        *(sources or ["no telemetry yet"]),
        f"{seen.counted} events counted, {seen.late} late, {seen.dead_lettered} dead-lettered",
    ]


def _number(value: float) -> str:
    """Gives a number with six digits, and more of them where it is whole, next to 1, or a sum of many."""
    if value == round(value):
        return str(round(value))
    if abs(value) >= _MANY:
        return f"{value:.12g}"
    return f"{value:.6g}" if f"{value:.6g}" != "1" else repr(value)
