"""The fold of one release: evidence in, decisions out.

The rules of a release's life are here, and only here:

* A release begins with all traffic on its baseline.
* Guardrails are looked at on every record that brings errors or slow responses, and whenever weights are chosen
  (`guard.py`). A candidate that fails one is excluded at once, unless the guardrail asks for less.
* Weights are chosen anew once an interval of the log's time, and only when there is new evidence: no traffic, no move.
* A paused release holds its weights; its guardrails stay on guard. A frozen one holds them whatever happens, another
  spec included, until a person says otherwise.
* A release that is over (promoted, rolled back, completed) moves no more until it is retried or applied with another
  spec, which starts it anew: evidence, exclusions and steps; the weights stay where they are.
* A variant that is excluded by order loses its traffic also in a release that is frozen or over.
* A decision's revision is the offset of the record that caused it, plus one.
"""

from collections.abc import Iterable, Sequence
from typing import Final, assert_never

from trimtab.engine.command import refusal_of, rule_of
from trimtab.engine.confirmation import unconfirmed
from trimtab.engine.contents import RefusedOutcomes
from trimtab.engine.contribution import PaneRow
from trimtab.engine.course import Course
from trimtab.engine.errors import EngineError
from trimtab.engine.evidence import Evidence
from trimtab.engine.guard import keep_of
from trimtab.engine.policy.build import NO_FACTORIES, Factories
from trimtab.engine.precedence import Life, Standing, queued_rule, stand
from trimtab.engine.release_state import (
    VERSION,
    Position,
    ReleaseSnapshot,
    ReleaseState,
    decode_snapshot,
    encode_snapshot,
)
from trimtab.engine.renewal import in_force, renewed, seed_for
from trimtab.engine.strangers import Stranger
from trimtab.engine.strategy.choice import choose
from trimtab.engine.strategy.situation import Move, all_to
from trimtab.engine.strategy.steps import interval_ms, steps_of
from trimtab.schemas.decision import Assessment, Decision, Phase, WeightsRecord
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import Command, Panes, Reactions
from trimtab.schemas.ids import BASIS_POINTS, Revision
from trimtab.schemas.release import parse_document

REFRESH_MS: Final = 10_000
"""How often a release that is over shows what it still sees."""


class ReleaseFold:
    """One release, from its spec and the evidence so far."""

    __slots__ = ("_course", "_document", "_evidence", "_factories", "_spec", "_state")

    def __init__(self, document: bytes, final_s: dict[int, int], factories: Factories = NO_FACTORIES) -> None:
        """`document` is the release file as JSON; `final_s`: source -> seconds that were over before it came.

        `factories`: policies that users bring.
        """
        self._factories = factories
        spec = parse_document(document).spec
        names = [variant.name for variant in spec.variants]
        weights = [BASIS_POINTS * (name == spec.baseline) for name in names]
        self._adopt(document, Evidence(names, final_s, keep_of(spec)), ReleaseState(weights=weights))

    def _adopt(self, document: bytes, evidence: Evidence, state: ReleaseState) -> None:
        """Goes on under a spec, with this evidence and from this state."""
        self._document, self._evidence, self._state = document, evidence, state
        release = in_force(document, has_gone_on=state.has_gone_on)
        self._course = Course(release, evidence, state, self._factories)
        self._spec = release.spec

    @property
    def document(self) -> bytes:
        """The release file as JSON."""
        return self._document

    @property
    def name(self) -> str:
        """The release's name."""
        return self._course.release.name

    @property
    def offset(self) -> int:
        """The newest evidence record that was taken; older ones are skipped."""
        return self._state.offset

    @property
    def era(self) -> int:
        """The era of the evidence log that it lives in."""
        return self._state.newest[0]

    @property
    def newest(self) -> Revision:
        """The revision of its newest decision."""
        return self._state.newest

    @property
    def weights(self) -> dict[str, int]:
        """Variant -> basis points in force."""
        return dict(zip(self._course.movement.names, self._state.weights, strict=True))

    @property
    def divergences(self) -> list[Divergence]:
        """What sidecars have told, that still holds."""
        return self._state.divergences

    @property
    def is_idle(self) -> bool:
        """Whether time alone can change nothing: what came is looked at and decided on, no guardrail asks for more."""
        state, candidates = self._state, self._course.movement.candidates
        if self.standing is Standing.QUEUED:  # it may be its turn
            return False
        if self._evidence_count != state.decided_on or self._evidence.is_maturing:
            return False
        if state.phase.is_over:
            return True
        if self._spec.scaling is not None:  # which is looked at every second: its windows empty, its cooldowns end
            return False
        return self._course.guard.is_settled(candidates) and not self._course.reaction.is_asked()

    @property
    def lives(self) -> Sequence[Life]:
        """What it was to others of its service, the newest last."""
        return self._state.lives

    @property
    def standing(self) -> Standing:
        """What it is to others of its service."""
        if self._state.phase.is_over:
            return Standing.OVER
        return Standing.QUEUED if self._state.behind else Standing.LIVE

    @property
    def prefix(self) -> str:
        """The path prefix of its route."""
        return self._spec.route.prefix

    @property
    def _evidence_count(self) -> int:
        counted, late = self._evidence.events
        return counted + late + self._evidence.matured

    def begin(self, at: Position, behind: str = "") -> Decision:
        """Gives the first decision: all traffic on the baseline. `behind`: the release that it has to wait for."""
        self._take(at)
        self._state.behind = behind
        self._state.step_began_ms = self._state.now_ms
        rule = f"applied: all traffic on {self._spec.baseline} until evidence comes"
        return self._decision(at, queued_rule(behind) or rule, {})

    def apply(self, document: bytes, final_s: dict[int, int], at: Position, behind: str = "") -> Decision | None:
        """Takes another spec and starts anew; with the same spec only time passes.

        `final_s` as for a new one, `behind` as in `begin`.
        """
        if not self._take(at):
            return None
        for source, second in final_s.items():
            self._evidence.finish(source, second)
        if document == self._document:
            return self._consider(at)
        is_frozen = self._state.phase is Phase.FROZEN
        self._start_anew(document)
        self._state.behind = behind
        rule = "applied: another spec, starts anew from the present weights"
        if is_frozen:
            self._state.phase, rule = Phase.FROZEN, f"{rule} once it is resumed"
        return self._decision(at, queued_rule(behind) or rule, {})

    def _start_anew(self, document: bytes, *, has_gone_on: bool = False) -> None:
        spec = in_force(document, has_gone_on=has_gone_on).spec
        seed = seed_for(spec, self._spec, self._state, self._course.belief)
        fresh = renewed(spec, self._spec, self._state, self._evidence)
        fresh.seed, fresh.scaling, fresh.has_gone_on = seed, self._course.sizing.snapshot(), has_gone_on
        self._adopt(document, self._evidence, fresh)

    def relieve(self, at: Position) -> Decision:
        """Begins what was queued, with evidence from now on."""
        self._take(at)
        behind = self._state.behind
        self._start_anew(self._document)
        return self._decision(at, f"begins: {behind} is not in the way any more", {})

    def wait_for(self, other: str, at: Position) -> Decision | None:
        """Takes note of who is in the way of what is queued, and tells it where that is another one than before."""
        if other == self._state.behind:
            return None
        self._take(at)
        was, self._state.behind = self._state.behind, other
        rule = f"queued: {was} is not in the way any more, {other} keeps the traffic until it is over"
        return self._decision(at, rule, {})

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
        intervals a strategy with steps lets pass between two looks at its gate.
        """
        if not self._take(at):
            return None
        self._evidence.dead_lettered += refused
        self._evidence.finish(panes.source, was_final_s)
        now_s = self._state.now_ms // 1000
        self._evidence.merge(panes.source, panes.offset, panes.final_s, rows, now_s, more=panes.more)
        return self._consider(at, pace)

    @property
    def is_refusing(self) -> bool:
        """Whether outcomes were refused that are not told yet, of panes that are not final: `finish` makes them so."""
        return self._evidence.is_refusing

    def finish(self, source: int, final_s: int, at: Position) -> None:
        """Takes note that seconds below `final_s` are over and done with for a source. It decides nothing."""
        if self._take(at):
            self._evidence.finish(source, final_s)

    def take_refused(self) -> list[RefusedOutcomes]:
        """Gives the refused outcomes of panes that are final, once."""
        refused, self._evidence.refused = self._evidence.refused, []
        return refused

    def catch_up(self, now_ms: int, pace: int) -> None:
        """Lets the time up to `now_ms` pass that was passed over because it could change nothing."""
        state = self._state
        if not state.phase.is_over and state.now_ms < now_ms:
            state.now_ms = now_ms
            self._evidence.advance(now_ms // 1000)
            self._course.objective.take(self._course.guard.close(now_ms // 1000, pace))

    def tick(self, at: Position, *, pace: int = 1) -> Decision | None:
        """Lets time pass. `pace` as in `contribute`."""
        return self._consider(at, pace) if self._take(at) else None

    def command(self, command: Command, at: Position, in_the_way: str = "") -> Decision | None:
        """Does what a person says. Raises `InvalidRecord` for what cannot be done; that changes nothing but time.

        `in_the_way`: the live release of the same service whose route overlaps.
        """
        if not self._take(at):
            return None
        if refusal := refusal_of(command, self._state, self._course.movement.names, self._spec.baseline, in_the_way):
            raise InvalidRecord(f"{command.action}: release {self.name}: {refusal}")
        rule = self._follow(command)
        return self._decision(at, rule, self._course.assess())

    def observe(self, divergences: list[Divergence], at: Position) -> Decision | None:
        """Takes what sidecars tell of traffic that does not follow the weights; all that they tell, not what is new."""
        state = self._state
        if not self._take(at):
            return None
        was, state.divergences = state.divergences, divergences
        if divergences == was or self.standing is not Standing.LIVE:
            return self._consider(at)
        words = "; ".join(one.words for one in divergences) or "every sidecar follows again"
        return self._decision(at, f"observed: {words}", self._course.assess())

    def react(self, told: Reactions, at: Position) -> Decision | None:
        """Takes what a worker tells of its reaction times, and decides where a guardrail asks for it."""
        if not self._take(at):
            return None
        self._course.guard.take_reactions(told, self._state.now_ms // 1000)
        return self._consider(at)

    @property
    def wants_reactions(self) -> bool:
        """Whether a guardrail looks at reaction times."""
        return self._course.guard.wants_reactions

    def _follow(self, command: Command) -> str:  # noqa: C901 - a table: one case for each command
        state, rule = self._state, rule_of(command)
        match command.action:
            case "pause":
                state.phase = Phase.PAUSED
            case "freeze":
                state.phase = Phase.FROZEN
            case "resume":
                state.phase = Phase.PROGRESSING
                self._course.guard.start_over(lambda guardrail: guardrail.on_fail == "pause")
            case "abort":
                self._course.movement.roll_back()
            case "retry":
                self._start_anew(self._document)
            case "set-weights":
                state.phase = Phase.PAUSED
                self._course.movement.put(command.weights)
            case "promote":
                rule = self._promote(command, rule)
            case "exclude":
                was_promoted = state.phase is Phase.PROMOTED
                self._course.movement.exclude({command.variant: rule})
                if was_promoted:  # to that variant, for no other has traffic
                    self._course.movement.roll_back()
            case "confirm":  # what is confirmed moves when it is its time, under its guardrails
                state.confirmed = state.awaits
            case _:
                assert_never(command.action)
        return rule

    def _promote(self, command: Command, rule: str) -> str:
        """Ends the present step, or the release, and gives the rule, with what else came of it."""
        state, names = self._state, self._course.movement.names
        state.phase = Phase.PROGRESSING
        if not command.full and steps_of(self._spec) and not state.chosen:
            state.cleared_step = state.step
            moved = self._move(self._course.assess())
            if self._state is not state:  # a shadow phase is over with that
                return f"{rule}, goes on as {self._spec.strategy.type}"
            is_as_said = not state.awaits and state.chosen != self._spec.baseline
            return rule if is_as_said else f"{rule}{'; ' if command.reason else ': '}{moved}"
        probabilities = self._course.belief.probabilities(self._course.movement.eligible)
        chosen = command.variant or max(
            self._course.movement.candidates, key=lambda name: probabilities[names.index(name)]
        )
        state.chosen = chosen
        self._course.movement.settle(
            Move(all_to(names.index(chosen), len(names)), rule, state.step), self._course.responses()
        )
        return rule

    def _take(self, at: Position) -> bool:
        if at.offset <= self._state.offset:
            return False
        self._state.offset = at.offset
        self._state.now_ms = max(self._state.now_ms, at.time_ms)
        self._evidence.advance(self._state.now_ms // 1000)
        return True

    def _consider(self, at: Position, pace: int = 1) -> Decision | None:
        course, state, now_s = self._course, self._state, self._state.now_ms // 1000
        course.objective.take(course.guard.close(now_s, pace))
        news, self._evidence.news = self._evidence.news, {}
        if self.standing is Standing.QUEUED:
            return None
        if state.phase.is_over:
            is_due = self._is_due(REFRESH_MS)
            rule = f"{state.phase.replace('_', ' ')}: what it still sees"
            return self._decision(at, rule, course.assess()) if is_due else None
        fails = course.guard.fails(news, course.movement.candidates, now_s)
        look = course.sizing.look(course.may_take, state.now_ms)
        if look.is_over:
            course.reaction.start_over_on_latency()
        is_due = self._is_due(interval_ms(self._spec.strategy, pace))
        if not (is_due or look.advised or (fails and state.phase is not Phase.FROZEN)):
            return None
        assessments = course.assess()
        if state.phase is not Phase.FROZEN and (
            rule := course.reaction.act(assessments, look.blamed, course.responses())
        ):
            return self._decision(at, rule, assessments)
        if look.advised:
            return self._decision(at, f"scaling: {'; '.join(look.advised)}", assessments)
        return self._decision(at, self._next(assessments), assessments) if is_due else None

    def _is_due(self, interval_ms: int) -> bool:
        """Whether there is news, and the newest decision is that old."""
        state = self._state
        return state.now_ms - state.decided_ms >= interval_ms and self._evidence_count != state.decided_on

    def _next(self, assessments: dict[str, list[Assessment]]) -> str:
        """Lets the weights move unless a person holds them, and gives the rule."""
        match self._state.phase:
            case Phase.PAUSED:
                return "paused: weights are held"
            case Phase.FROZEN:
                return "frozen: weights are held whatever happens"
            case _:
                return self._course.reaction.hold(assessments) or self._move(assessments)

    def _move(self, assessments: dict[str, list[Assessment]]) -> str:
        """Lets the strategy choose, moves the weights as far as limits allow, and gives the rule."""
        state, names = self._state, self._course.movement.names
        if state.chosen:
            move = Move(all_to(names.index(state.chosen), len(names)), f"{state.chosen} takes all", state.step)
        else:
            move = choose(self._course.situation(assessments))
            if waits := unconfirmed(self._spec, state, move):
                return waits
        self._course.movement.settle(move, self._course.responses())
        if move.is_complete and self._spec.after_shadow is not None:
            self._go_on()
            return f"{move.rule}, goes on as {self._spec.strategy.type}"
        return move.rule

    def _go_on(self) -> None:
        """Takes the strategy that comes after a shadow phase; who was excluded in that stays out."""
        excluded = self._state.excluded
        self._start_anew(self._document, has_gone_on=True)
        self._state.excluded = excluded

    def _decision(self, at: Position, rule: str, assessments: dict[str, list[Assessment]]) -> Decision:
        state = self._state
        replaces, state.newest = state.newest, (at.era, at.offset + 1)
        state.decided_ms, state.decided_on = state.now_ms, self._evidence_count
        if self._evidence.requests is not None:
            self._evidence.requests.decide(state.now_ms, state.newest, state.weights, state.segment_weights)
        stand(state, (at.offset, str(self.standing), self.prefix))
        for weights in (state.weights, *state.segment_weights.values()):
            if sum(weights) != BASIS_POINTS or min(weights) < 0:
                raise EngineError(f"release {self.name}: weights {weights} sum to {sum(weights)} bp")
        self._course.movement.lay_out()
        return self._course.decision(rule, replaces, assessments)

    def weights_record(self, decision: Decision) -> WeightsRecord:
        """Gives what a sidecar needs of a decision of this release."""
        return self._course.weights_record(decision)

    def snapshot(self) -> bytes:
        """Gives the release as MessagePack; `restore` continues exactly from there."""
        learning = self._course.learning.snapshot() if self._course.learning else {}
        self._state.scaling = self._course.sizing.snapshot()
        return encode_snapshot(
            ReleaseSnapshot(
                VERSION, self._state.offset, self._document, self._state, self._evidence.snapshot(),
                guard=self._course.guard.snapshot(), learning=learning, objective=self._course.objective.snapshot(),
            )
        )  # fmt: skip

    @classmethod
    def restore(cls, payload: bytes, factories: Factories = NO_FACTORIES) -> "ReleaseFold":
        """Gives the release of which `payload` was taken. Raises `EngineError` for anything else."""
        snapshot = decode_snapshot(payload)
        fold = cls.__new__(cls)
        fold._factories = factories
        try:
            fold._adopt(snapshot.document, Evidence.restore(snapshot.evidence), snapshot.state)
        except ValueError as error:  # also of a policy that is not here
            raise EngineError(f"not a snapshot of a release: {error}") from error
        if not snapshot.state.lives:  # of before there were any
            snapshot.state.lives = [(-1, str(fold.standing), fold.prefix)]
        if snapshot.guard:
            fold._course.guard.restore(snapshot.guard)
        fold._course.objective.restore(snapshot.objective)
        if snapshot.learning and fold._course.learning:
            fold._course.learning.restore(snapshot.learning)
        return fold
