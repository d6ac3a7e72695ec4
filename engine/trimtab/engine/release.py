"""The fold of one release: evidence in, decisions out.

The rules of a release's life are here, and only here:

* A release begins with all traffic on its baseline.
* Guardrails are assessed on every record that brings errors or slow responses, and whenever weights are chosen. A
  candidate that fails one is excluded at once and for good: its weight goes straight to the baseline. When no
  candidate is left the release is rolled back.
* Weights are chosen anew once an interval of the log's time, and only when there is new evidence: no traffic, no move.
* A paused release holds its weights; its guardrails stay on guard.
* A release that is over (promoted, rolled back) moves no more until it is applied with another spec, which starts it
  anew: evidence, exclusions and steps; the weights stay where they are.
* A decision's revision is the offset of the record that caused it, plus one.
"""

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from pydantic import ValidationError

from trimtab.engine.allocation import Bounds, allocate, withdraw
from trimtab.engine.best import probability_best
from trimtab.engine.contribution import PaneRow
from trimtab.engine.errors import EngineError
from trimtab.engine.evidence import Evidence, News
from trimtab.engine.guardrail import Guardrail, Room, assess, breaches_at_most
from trimtab.engine.posterior import Beta, reward_posterior
from trimtab.engine.release_state import Position, ReleaseState, decode_snapshot, encode_snapshot
from trimtab.engine.strangers import Stranger
from trimtab.engine.strategy.bandit import bandit
from trimtab.engine.strategy.canary import canary, has_reached, share_of
from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.engine.window import HOP_MS
from trimtab.schemas.decision import Arm, Assessment, Decision, Phase, Seen, Verdict, WeightsRecord
from trimtab.schemas.evidence import VALUE_SCALE, Command, Panes
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Spec, parse_document
from trimtab.schemas.strategy import Bandit, Canary

CANARY_INTERVAL_MS: Final = 1_000
"""How often a canary looks at its gate, where it is alone."""
_LOOKS_PER_HOLD: Final = 20
"""How often it does within its hold, at least, however many others there are."""
REFRESH_MS: Final = 10_000
"""How often a release that is over shows what it still sees."""
_SHOWN_WINDOW_MS: Final = 60_000


class ReleaseFold:
    """One release, from its spec and the evidence so far."""

    __slots__ = ("_best", "_document", "_evidence", "_release", "_room", "_state")

    def __init__(self, document: bytes, final_s: dict[int, int]) -> None:
        """`document` is the release file as JSON; `final_s`: source -> seconds that were over before it came."""
        self._document = document
        self._release = parse_document(document)
        self._evidence = Evidence((variant.name for variant in self._spec.variants), final_s)
        self._state = ReleaseState(weights=[BASIS_POINTS * (name == self._spec.baseline) for name in self._names])
        self._best: tuple[list[Beta], list[float]] = ([], [])
        """posteriors, and what came of them when they were last asked for"""
        self._room: dict[tuple[str, int], Room] = {}
        """by variant and place of a guardrail; what is not there is looked up, so it is no part of the state"""

    @property
    def document(self) -> bytes:
        """The release file as JSON."""
        return self._document

    @property
    def name(self) -> str:
        """The release's name."""
        return self._release.name

    @property
    def offset(self) -> int:
        """The newest evidence record that was taken; older ones are skipped."""
        return self._state.offset

    @property
    def era(self) -> int:
        """The era of the evidence log that it lives in."""
        return self._state.newest[0]

    @property
    def is_idle(self) -> bool:
        """Whether time alone can change nothing."""
        return self._state.phase.is_over and self._evidence_count == self._state.decided_on

    @property
    def _spec(self) -> Spec:
        return self._release.spec

    @property
    def _names(self) -> list[str]:
        return [variant.name for variant in self._spec.variants]

    @property
    def _baseline(self) -> int:
        return self._names.index(self._spec.baseline)

    @property
    def _evidence_count(self) -> int:
        return self._evidence.counted + self._evidence.late

    def begin(self, at: Position) -> Decision:
        """Gives the first decision: all traffic on the baseline."""
        self._take(at)
        return self._decision(at, f"applied: all traffic on {self._spec.baseline} until evidence comes", {})

    def apply(self, document: bytes, final_s: dict[int, int], at: Position) -> Decision | None:
        """Takes another spec and starts anew; with the same spec only time passes. `final_s` as for a new one."""
        if not self._take(at):
            return None
        for source, second in final_s.items():
            self._evidence.finish(source, second)
        if document == self._document:
            return self._consider(at)
        before = dict(zip(self._names, self._state.weights, strict=True))
        self._document, self._release = document, parse_document(document)
        self._evidence.admit(self._names)
        self._evidence.restart(self._state.now_ms // 1000)
        self._room.clear()
        weights = [before.get(name, 0) for name in self._names]
        weights[self._baseline] += BASIS_POINTS - sum(weights)
        origin = {name: self._evidence.totals[name].rewards(self._spec.objective.metric) for name in self._names}
        state = self._state
        self._state = ReleaseState(
            weights=weights, origin=origin, now_ms=state.now_ms, offset=state.offset, newest=state.newest,
            step_began_ms=state.now_ms, step_responses=self._responses(),
        )  # fmt: skip
        return self._decision(at, "applied: another spec, starts anew from the present weights", {})

    def knows(self, variant: str) -> bool:
        """Whether a variant takes part, or did once."""
        return self._evidence.knows(variant)

    def welcome(self, strangers: Iterable[Stranger]) -> None:
        """Merges panes that came before their release or variant did."""
        for _, source, offset, row in strangers:
            self._evidence.merge(source, offset, 0, [row], self._state.now_ms // 1000)

    def contribute(  # noqa: PLR0913 - the parts of a contribution
        self, panes: Panes, rows: Sequence[PaneRow], was_final_s: int, at: Position, *, refused: int = 0, pace: int = 1
    ) -> Decision | None:
        """Merges a contribution and decides on it.

        `was_final_s`: what the source had finished before, also where that brought nothing for this release.
        `refused`: events of variants that do not take part, which are final with this. `pace`: how many of its
        intervals a canary lets pass between two looks at its gate.
        """
        if not self._take(at):
            return None
        self._evidence.dead_lettered += refused
        self._evidence.finish(panes.source, was_final_s)
        now_s = self._state.now_ms // 1000
        self._evidence.merge(panes.source, panes.offset, panes.final_s, rows, now_s, more=panes.more)
        return self._consider(at, pace)

    def tick(self, at: Position, *, pace: int = 1) -> Decision | None:
        """Lets time pass. `pace` as in `contribute`."""
        return self._consider(at, pace) if self._take(at) else None

    def command(self, command: Command, at: Position) -> Decision | None:
        """Does what a person says; None where the release is over or has no such variant."""
        if not self._take(at) or self._state.phase.is_over:
            return None
        by = f"{command.action} by {command.actor or 'an operator'}"
        rule = f"{by}: {command.reason}" if command.reason else by
        match command.action:
            case "pause":
                self._state.phase = Phase.PAUSED
            case "resume":
                self._state.phase = Phase.PROGRESSING
            case "abort":
                self._roll_back()
            case "promote":
                return self._promote(command.variant, rule, at)
            case _:
                assert_never(command.action)
        return self._decision(at, rule, self._assess())

    def _take(self, at: Position) -> bool:
        if at.offset <= self._state.offset:
            return False
        self._state.offset = at.offset
        self._state.now_ms = max(self._state.now_ms, at.time_ms)
        self._evidence.advance(self._state.now_ms // 1000)
        return True

    def _consider(self, at: Position, pace: int = 1) -> Decision | None:
        state = self._state
        since_ms = state.now_ms - state.decided_ms
        if state.phase.is_over:
            is_due = since_ms >= REFRESH_MS and self._evidence_count != state.decided_on
            return self._decision(at, f"{state.phase}: what it still sees", self._assess()) if is_due else None
        news, self._evidence.news = self._evidence.news, {}
        is_due = since_ms >= self._interval_ms(pace) and self._evidence_count != state.decided_on
        if not is_due and not self._may_break(news):
            return None
        assessments, self._room = self._assess(), self._look_at_all()
        if broken := self._exclude(assessments):
            return self._decision(at, "guardrail: " + "; ".join(broken), assessments)
        if not is_due:
            return None
        if state.phase is Phase.PAUSED:
            return self._decision(at, "paused: weights are held", assessments)
        return self._decision(at, self._move(assessments), assessments)

    def _interval_ms(self, pace: int) -> int:
        strategy = self._spec.strategy
        if isinstance(strategy, Bandit):
            return strategy.interval
        return max(CANARY_INTERVAL_MS, min(CANARY_INTERVAL_MS * pace, strategy.hold // _LOOKS_PER_HOLD))

    def _may_break(self, news: dict[str, News]) -> bool:
        """Whether what has just come may make a candidate fail a guardrail that it did not fail before."""
        for name, new in news.items():
            if name == self._spec.baseline or name in self._state.excluded:
                continue
            for at, rail in enumerate(self._spec.guardrails):
                breaches = breaches_at_most(rail, new)
                if breaches and self._has_no_room((name, at), rail, breaches):
                    return True
        return False

    def _has_no_room(self, of: tuple[str, int], rail: Guardrail, breaches: int) -> bool:
        """Whether the `breaches` that have just come may make a guardrail fail: its window is looked at if need be."""
        known = self._room.get(of)
        if known and known.takes(breaches, self._hop(rail)):
            return False
        self._room[of] = self._look(of[0], rail)
        return not self._room[of].is_there

    def _hop(self, rail: Guardrail) -> int:
        return self._state.now_ms // HOP_MS[rail.window]

    def _look(self, variant: str, rail: Guardrail) -> Room:
        window = self._evidence.window(variant, rail.window)
        return Room(rail, window, self._evidence.leaving(variant, rail.window), self._hop(rail))

    def _look_at_all(self) -> dict[tuple[str, int], Room]:
        return {
            (name, at): self._look(name, rail)
            for name in self._names
            if name != self._spec.baseline and name not in self._state.excluded
            for at, rail in enumerate(self._spec.guardrails)
        }

    def _assess(self) -> dict[str, list[Assessment]]:
        return {
            name: [assess(rail, name, self._evidence.window(name, rail.window)) for rail in self._spec.guardrails]
            for name in self._names
            if name not in self._state.excluded
        }

    def _exclude(self, assessments: dict[str, list[Assessment]]) -> list[str]:
        """Takes candidates that fail a guardrail out of the release; gives what they failed."""
        broken = []
        for name, verdicts in assessments.items():
            failed = next((verdict for verdict in verdicts if verdict.verdict is Verdict.FAIL), None)
            if failed is None or name == self._spec.baseline:
                continue
            self._state.excluded[name] = _breach(failed)
            broken.append(f"{name} excluded, {_breach(failed)}")
        if broken:
            self._state.weights = list(withdraw(self._state.weights, self._eligible(), self._baseline))
            if self._state.chosen in self._state.excluded:
                self._state.chosen = ""
            if sum(self._eligible()) == 1:
                self._roll_back()
        return broken

    def _roll_back(self) -> None:
        self._state.phase = Phase.ROLLED_BACK
        self._state.weights = [BASIS_POINTS * (arm == self._baseline) for arm in range(len(self._names))]

    def _promote(self, variant: str, rule: str, at: Position) -> Decision | None:
        probabilities, eligible = self._probabilities(), self._eligible()
        candidates = [arm for arm, may in enumerate(eligible) if may and arm != self._baseline]
        chosen = variant or self._names[max(candidates, key=probabilities.__getitem__)]
        if chosen not in self._names or chosen in self._state.excluded:
            return None
        self._state.chosen = chosen
        self._state.phase = Phase.PROGRESSING
        self._settle(Move(all_to(self._names.index(chosen), len(self._names)), rule, self._state.step))
        return self._decision(at, rule, self._assess())

    def _eligible(self) -> list[bool]:
        return [name not in self._state.excluded for name in self._names]

    def _responses(self) -> list[int]:
        return [self._evidence.totals[name].responses for name in self._names]

    def _move(self, assessments: dict[str, list[Assessment]]) -> str:
        """Lets the strategy choose, moves the weights as far as limits allow, and gives the rule."""
        state, strategy = self._state, self._spec.strategy
        if state.chosen:
            target = all_to(self._names.index(state.chosen), len(self._names))
            move = Move(target, f"{state.chosen} takes all", state.step)
        elif isinstance(strategy, Canary):
            move = canary(self._situation(assessments), strategy)
        else:
            move = bandit(self._situation(assessments))
        if move.chosen is not None:
            state.chosen = self._names[move.chosen]
        self._settle(move)
        return move.rule

    def _situation(self, assessments: dict[str, list[Assessment]]) -> Situation:
        state = self._state
        return Situation(
            spec=self._spec, now_ms=state.now_ms, weights=state.weights, eligible=self._eligible(),
            probabilities=self._probabilities(), responses=self._responses(), assessments=assessments,
            step=state.step, step_began_ms=state.step_began_ms,
            step_responses=state.step_responses or [0] * len(self._names),
        )  # fmt: skip

    def _settle(self, move: Move) -> None:
        """Moves the weights toward the target, and takes note of what they have reached."""
        state = self._state
        stood_on = state.step if self._has_reached(state.step) else -1
        state.step = move.step
        state.weights = list(allocate(move.target, state.weights, self._bounds(move), self._spec.limits.max_step))
        if state.chosen and state.weights[self._names.index(state.chosen)] == BASIS_POINTS:
            state.phase = Phase.ROLLED_BACK if state.chosen == self._spec.baseline else Phase.PROMOTED
        if stood_on != state.step and self._has_reached(state.step):
            state.step_began_ms, state.step_responses = state.now_ms, self._responses()

    def _has_reached(self, step: int) -> bool:
        strategy = self._spec.strategy
        if not isinstance(strategy, Canary):
            return False
        share = share_of(strategy, step, self._spec.limits.max_weight, sum(self._eligible()) - 1)
        return has_reached(self._state.weights, self._baseline, share)

    def _bounds(self, move: Move) -> list[Bounds]:
        limits = self._spec.limits
        bounds = []
        for arm, may in enumerate(self._eligible()):
            is_free = arm == self._baseline or bool(self._state.chosen)
            floor = limits.min_weight if may and move.keeps_floor else 0
            bounds.append(Bounds(floor, 0 if not may else BASIS_POINTS if is_free else limits.max_weight))
        return bounds

    def _rewards(self) -> list[tuple[int, int]]:
        """Gives trials and reward sum of each variant under the present spec."""
        rewards = []
        for name in self._names:
            trials, total = self._evidence.totals[name].rewards(self._spec.objective.metric)
            earlier_trials, earlier_total = self._state.origin.get(name, (0, 0))
            rewards.append((trials - earlier_trials, total - earlier_total))
        return rewards

    def _posteriors(self) -> list[Beta]:
        minimize = self._spec.objective.goal == "minimize"
        return [reward_posterior(trials, total, minimize=minimize) for trials, total in self._rewards()]

    def _probabilities(self) -> list[float]:
        """Gives P(best) among the variants that may take traffic, 0 for the others."""
        eligible = self._eligible()
        posteriors = [beta for beta, may in zip(self._posteriors(), eligible, strict=True) if may]
        if posteriors != self._best[0]:  # a decision asks twice: for its move, and to say what it rests on
            self._best = (posteriors, probability_best(posteriors).tolist())
        best = iter(self._best[1])
        return [next(best) if may else 0.0 for may in eligible]

    def _decision(self, at: Position, rule: str, assessments: dict[str, list[Assessment]]) -> Decision:
        state = self._state
        replaces, state.newest = state.newest, (at.era, at.offset + 1)
        state.decided_ms, state.decided_on = state.now_ms, self._evidence_count
        if sum(state.weights) != BASIS_POINTS or min(state.weights) < 0:
            raise EngineError(f"release {self._release.name}: weights {state.weights} sum to {sum(state.weights)} bp")
        excluded = [f"{name} takes no traffic: {why}" for name, why in state.excluded.items()]
        return Decision(
            release=self._release.name, era=at.era, revision=at.offset + 1, replaces=replaces, time_ms=state.now_ms,
            phase=state.phase, strategy=self._spec.strategy.type, step=state.step,
            weights=dict(zip(self._names, state.weights, strict=True)), rule=rule, reasons=[rule, *excluded],
            arms=self._arms(), assessments=[verdict for verdicts in assessments.values() for verdict in verdicts],
            seen=Seen(
                offset=at.offset,
                sources={str(source): offset for source, offset in sorted(self._evidence.offsets.items())},
                counted=self._evidence.counted, late=self._evidence.late, dead_lettered=self._evidence.dead_lettered,
            ),
        )  # fmt: skip

    def _arms(self) -> list[Arm]:
        arms = []
        for name, weight, (trials, reward_sum), beta, best in zip(
            self._names, self._state.weights, self._rewards(), self._posteriors(), self._probabilities(), strict=True
        ):
            totals, window = self._evidence.totals[name], self._evidence.window(name, _SHOWN_WINDOW_MS)
            arms.append(
                Arm(
                    variant=name, weight=weight, excluded=self._state.excluded.get(name, ""),
                    trials=trials, reward_sum=reward_sum / VALUE_SCALE, alpha=beta.alpha, beta=beta.beta,
                    mean=beta.mean, probability_best=best, requests=totals.requests, responses=totals.responses,
                    errors=totals.errors, in_flight=max(0, totals.requests - totals.responses),
                    error_ratio=window.error_ratio, p50_ms=window.latency.quantile_ms(0.5),
                    p99_ms=window.latency.quantile_ms(0.99),
                )
            )  # fmt: skip
        return arms

    def weights_record(self, decision: Decision) -> WeightsRecord:
        """Gives what a sidecar needs of a decision of this release."""
        return WeightsRecord(
            release=decision.release, era=decision.era, revision=decision.revision, time_ms=decision.time_ms,
            phase=decision.phase, weights=decision.weights, prefix=self._spec.route.prefix,
            targets={variant.name: variant.at_proxy for variant in self._spec.variants},
        )  # fmt: skip

    def snapshot(self) -> bytes:
        """Gives the release as MessagePack; `restore` continues exactly from there."""
        return encode_snapshot(self._document, self._state, self._evidence.snapshot())

    @classmethod
    def restore(cls, payload: bytes) -> "ReleaseFold":
        """Gives the release of which `payload` was taken. Raises `EngineError` for anything else."""
        snapshot = decode_snapshot(payload)
        try:
            fold = cls(snapshot.document, {})
        except ValidationError as error:
            raise EngineError(f"not a snapshot of a release: {error}") from error
        fold._state = snapshot.state
        fold._evidence = Evidence.restore(snapshot.evidence)
        return fold


def _breach(failed: Assessment) -> str:
    return (
        f"{failed.guardrail} is {failed.value:.4g} against a limit of {failed.limit:g}"
        f" ({failed.breaches} of {failed.n} responses breach, {failed.allowed_ratio:g} allowed,"
        f" P(above) {failed.probability:.5f} >= {failed.confidence:g})"
    )
