"""The guard of a release: every bound on every variant, second by second, and what it says of each.

* Evidence against a candidate starts when the release does, under a spec, and may be looked at as often as anybody
  likes: a candidate that keeps all bounds is failed with a probability of at most its part of `falseAborts`, ever.
* A guardrail with a confidence of its own is judged by that. The others share what is allowed, evenly.
* The baseline is looked at too, so that people see it, and never failed.
* An absolute bound on a share is judged response by response, as they are told: looks end when a second of the log's
  time does, and what has come since is a peek.
* All other bounds are judged by seconds of event time, each looked at once, when it is over by `CLOSED_AFTER_S`: most
  of its telemetry has come by then, and which part of it came first does not matter.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from trimtab.engine.bound import NO_SHARE, Bound, ShareBound, breaches_at_most, counting
from trimtab.engine.evidence import Evidence, News
from trimtab.engine.metric import MISSING, Value, value_of
from trimtab.engine.metric_rail import rails_under
from trimtab.engine.observed import Observed
from trimtab.engine.rail import Pair, ShareRail
from trimtab.engine.ratio_guard import RatioGuard
from trimtab.engine.reaction_guard import ReactionGuard
from trimtab.engine.request_book import request_keep
from trimtab.engine.seconds import ClosedSecond
from trimtab.engine.sequential.budget import Budgets
from trimtab.engine.sequential.conclusion import Conclusion, Rule
from trimtab.engine.sequential.look import Share
from trimtab.engine.shown import Face, ShareFace
from trimtab.engine.sizing import gauges_of
from trimtab.engine.sketch import bucket_of_limit
from trimtab.engine.window import ArmWindow, Keep
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.evidence import Reactions
from trimtab.schemas.guardrail import (
    AnyGuardrail,
    ErrorRateGuardrail,
    Guardrail,
    LatencyGuardrail,
    MetricGuardrail,
    ReactionGuardrail,
)
from trimtab.schemas.part import duration_text
from trimtab.schemas.reading import outcomes_read
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import Ensemble, Shadow

CLOSED_AFTER_S: Final = 2
REQUESTS_AFTER_S: Final = 3
"""Seconds of requests are closed once: what is told of them later is left out."""
_SLOWEST_PAIRS_S: Final = 3
"""How long bounds by seconds wait at most, however many releases there are."""
_SHOWN_MS: Final = 60_000
"""The window that every decision shows of every variant."""

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""
_NOTHING: Final = ArmWindow()


def keep_of(spec: Spec) -> Keep:
    """Gives what has to be kept of a release for its guardrails and for what is shown of it."""
    watched = [(one, rails_under(spec, one)) for one in spec.bounds if one.severity != "muted"]
    slower = {bucket_of_limit(one.max) for one, _ in watched if isinstance(one, LatencyGuardrail) and one.max}
    gauges = gauges_of(spec.scaling) if spec.scaling else {}
    sized_ms = (spec.scaling.window,) if spec.scaling else ()
    watched_ms = (  # also of the sample ratio
        one.window for one in spec.guardrails if one.severity != "muted" and not isinstance(one, ReactionGuardrail)
    )
    return Keep(
        lengths_ms=(*Keep().lengths_ms, _SHOWN_MS, *sized_ms, *watched_ms),
        metrics=tuple(dict.fromkeys((*outcomes_read(spec.bounds, spec.metric_of_name), *gauges))),
        segments=tuple(segment.name for segment in spec.segments),
        keeps_seconds=spec.objective_metric is not None
        or any(not isinstance(rail, ShareRail) for _, rails in watched for rail in rails.values()),
        slower_than=tuple(sorted(slower)),
        requests=request_keep(spec),
    )


class Guard:
    """Guardrails on the variants of one release, under one spec."""

    __slots__ = ("_bounds", "_budgets", "_closed_s", "_evidence", "_has_pairs", "_lengths_ms", "_observed", "_ratio",
                 "_reactions", "_shares", "_spec")  # fmt: skip

    def __init__(self, spec: Spec, evidence: Evidence) -> None:
        self._spec = spec
        self._evidence = evidence
        self._bounds = {variant.name: self._on(variant.name) for variant in spec.variants}
        self._shares, self._budgets = self._side_by_side()
        self._has_pairs = keep_of(spec).keeps_seconds
        self._closed_s = 0
        self._ratio = RatioGuard(spec, evidence)
        self._reactions = ReactionGuard(spec)
        names = [variant.name for variant in spec.variants]
        self._observed = Observed(names, has_copies=isinstance(spec.strategy, Shadow | Ensemble))
        self._lengths_ms = sorted({bound.guardrail.window for bounds in self._bounds.values() for bound in bounds})

    def _side_by_side(self) -> tuple[list[ShareBound], Budgets]:
        """Gives all absolute bounds on shares, and their tests in one table."""
        shares = [bound for bounds in self._bounds.values() for bound in bounds if isinstance(bound, ShareBound)]
        for place, bound in enumerate(shares):
            bound.place = place
        return shares, Budgets([bound.rail.test for bound in shares])

    def _on(self, variant: str) -> list[Bound]:
        """Gives fresh bounds on a variant; those that act share what `falseAborts` allows over all candidates."""
        spec, bounds = self._spec, list[Bound]()
        rails = [(guardrail, rails_under(spec, guardrail)) for guardrail in spec.bounds]
        acting = sum(len(of) for one, of in rails if one.severity != "signal" and one.confidence is None)
        alpha = spec.false_aborts / max(1, acting * (len(spec.variants) - 1))
        for guardrail, of in rails:
            rule = Rule(alpha if guardrail.confidence is None else 1.0 - guardrail.confidence, guardrail.min_samples)
            for name, rail in of.items():
                if isinstance(rail, ShareRail) and isinstance(guardrail, ErrorRateGuardrail | LatencyGuardrail):
                    face, count = ShareFace(guardrail, name), counting(guardrail)
                    totals = self._evidence.totals[variant]
                    told = Share(totals.responses, count(totals))
                    bounds.append(
                        ShareBound(
                            variant, guardrail, name, rail, rule, face, count=count, told=told,
                            at_most=breaches_at_most(guardrail), gain=rail.gain,
                        )
                    )  # fmt: skip
                else:
                    bounds.append(Bound(variant, guardrail, name, rail, rule, Face(guardrail, name)))
        return bounds

    def close(self, now_s: int, pace: int = 1) -> list[ClosedSecond]:
        """Lets what has come be a look, takes the seconds that are over, and gives them; every `pace` seconds.

        Absolute bounds on shares miss nothing by that, for what is no look yet is a peek; others would.
        """
        self._reactions.advance(now_s)
        if now_s - self._closed_s < (min(pace, _SLOWEST_PAIRS_S) if self._has_pairs else pace):
            return []
        self._closed_s = now_s
        self._close_requests(now_s)
        totals = self._evidence.totals
        self._budgets.update([bound.close(totals[bound.variant], now_s) for bound in self._shares])
        seconds = self._evidence.closed(now_s - CLOSED_AFTER_S) if self._has_pairs else []
        for closed in seconds:
            self._take(closed)
        return seconds

    def _close_requests(self, now_s: int) -> None:
        book = self._evidence.requests
        if book is None:
            return
        for look in book.routed.close(now_s - REQUESTS_AFTER_S, book.in_force):
            self._ratio.take(look, now_s)
            self._observed.take(look)

    def take_reactions(self, told: Reactions, now_s: int) -> None:
        """Takes what a worker tells of its reaction times."""
        self._reactions.take(told, now_s)

    @property
    def wants_reactions(self) -> bool:
        """Whether a guardrail looks at them."""
        return self._reactions.is_on

    def divergences(self, now_s: int) -> list[Divergence]:
        """Gives how traffic is seen not to follow the weights."""
        return self._observed.divergences(now_s - REQUESTS_AFTER_S - 1)

    def _take(self, closed: ClosedSecond) -> None:
        baseline, totals = closed.arms.get(self._spec.baseline, _NOTHING), self._evidence.totals
        of_baseline = totals[self._spec.baseline].in_flight
        for name, bounds in self._bounds.items():
            pair = Pair(closed.arms.get(name, _NOTHING), baseline, totals[name].in_flight, of_baseline)
            for bound in bounds:
                if not isinstance(bound, ShareBound):
                    bound.see(closed.second, pair.variant.responses)
                    if not bound.is_warming_up(closed.second):
                        bound.rail.update(pair)
                        bound.is_fresh = True

    def fails(self, news: Mapping[str, News], candidates: Sequence[str], now_s: int) -> bool:
        """Whether one of these variants fails; `news` is what has come since this was last asked."""
        urgent: list[Bound] = []
        for name in candidates:
            new = news.get(name)
            for bound in self._bounds[name]:
                if isinstance(bound, ShareBound):
                    if new is not None:
                        bound.most += bound.gain * bound.at_most(new)
                    is_urgent = bound.most >= bound.rule.threshold
                else:
                    is_urgent, bound.is_fresh = bound.is_fresh, False
                if is_urgent:
                    urgent.append(bound)
        of_all = [self._ratio.fails(), self._reactions.fails()]
        if any(of_all) and candidates:
            return True
        return any(self._look(bound, now_s).verdict is Verdict.FAIL for bound in urgent)

    def is_settled(self, candidates: Sequence[str]) -> bool:
        """Whether time alone changes no verdict.

        An absolute bound on a share is judged by peeks as by looks: when its look ends matters to warm-ups alone.
        """
        is_open = any(
            self._is_open(bound, is_candidate=name in candidates)
            for name, bounds in self._bounds.items()
            for bound in bounds
        )
        of_all = self._ratio.is_settled and self._reactions.is_settled
        return not is_open and self._evidence.is_settled and of_all and self._has_seen_requests

    @property
    def _has_seen_requests(self) -> bool:
        book = self._evidence.requests
        return book is None or book.routed.is_empty

    def _is_open(self, bound: Bound, *, is_candidate: bool) -> bool:
        if isinstance(bound, ShareBound):
            return bound.guardrail.warm_up > 0 and bound.ahead(self._evidence.totals[bound.variant])[0] > 0
        return bound.is_fresh and is_candidate

    def failing(self, candidates: Sequence[str]) -> Iterator[AnyGuardrail]:
        """Gives the guardrails that these variants fail, once `is_settled`."""
        if candidates:
            yield from self._ratio.failing()
            yield from self._reactions.failing()
        yield from (bound.guardrail for name in candidates for bound in self._bounds[name] if self._fails(bound))

    def _fails(self, bound: Bound) -> bool:
        ahead = None
        if isinstance(bound, ShareBound):
            if bound.most < bound.rule.threshold:
                return False
            ahead = Share(*bound.ahead(self._evidence.totals[bound.variant]))
        return bound.rail.conclude(bound.rule, ahead).verdict is Verdict.FAIL

    def assess(self, names: Sequence[str], now_s: int) -> dict[str, list[Assessment]]:
        """Gives the verdict of every guardrail on each of these variants."""
        windows = {length_ms: self._evidence.windows(length_ms) for length_ms in self._lengths_ms}
        totals = self._evidence.totals
        ahead = [
            NO_SHARE if bound.warms_up and bound.is_warming_up(now_s) else bound.ahead(totals[bound.variant])
            for bound in self._shares
        ]
        evidence = self._budgets.evidence(ahead)
        assessed: dict[str, list[Assessment]] = {}
        for name in names:
            assessed[name] = of_variant = []
            for bound in self._bounds[name]:
                window = windows[bound.guardrail.window][name]
                if isinstance(bound, ShareBound):
                    of_variant.append(bound.assess(ahead[bound.place], evidence[bound.place], window))
                else:
                    of_variant.append(self._assess(bound, window))
                if bound.warms_up and bound.is_warming_up(now_s):
                    lasts = duration_text(bound.guardrail.warm_up)
                    of_variant[-1] = replace(of_variant[-1], reason=f"its first {lasts} do not count, and are not over")
            if self._ratio.is_on:
                of_variant += self._ratio.assess(name)
            if self._reactions.is_on:
                of_variant += self._reactions.assess(name)
        return assessed

    def _assess(self, bound: Bound, window: ArmWindow) -> Assessment:
        conclusion, measured = bound.rail.conclude(bound.rule), self._measured(bound.guardrail, bound.variant, window)
        return bound.face.assessment(bound.variant, conclusion, window, measured=measured)

    def _measured(self, guardrail: Guardrail, variant: str, window: ArmWindow) -> Value:
        """Gives the value in a window of the metric that is bounded, where it is one of the release file."""
        if not isinstance(guardrail, MetricGuardrail):
            return MISSING
        return value_of(self._spec.metric_of_name[guardrail.name], window, self._evidence.totals[variant].in_flight)

    def _look(self, bound: Bound, now_s: int) -> Conclusion:
        """Gives the verdict of a bound, with what is no look yet where it may be judged."""
        if not isinstance(bound, ShareBound):
            return bound.rail.conclude(bound.rule)
        ahead = NO_SHARE if bound.is_warming_up(now_s) else bound.ahead(self._evidence.totals[bound.variant])
        conclusion = bound.rail.conclude(bound.rule, Share(*ahead))
        bound.most = conclusion.ln_evidence
        return conclusion

    def start_over(self, does: Callable[[AnyGuardrail], bool]) -> None:
        """Lets the evidence of the guardrails that `does` holds for start anew: somebody has acted on it."""
        self._ratio.start_over(does)
        self._reactions.start_over(does)
        for variant, bounds in self._bounds.items():
            pairs = zip(bounds, self._on(variant), strict=True)
            self._bounds[variant] = [fresh.after(old) if does(old.guardrail) else old for old, fresh in pairs]
        self._shares, self._budgets = self._side_by_side()

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        bounds = {name: [bound.snapshot() for bound in of_variant] for name, of_variant in self._bounds.items()}
        return {
            "closed_s": self._closed_s, "bounds": bounds, "ratio": self._ratio.snapshot(),
            "observed": self._observed.snapshot(), "reactions": self._reactions.snapshot(),
        }  # fmt: skip

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a guard under the same spec."""
        self._closed_s = snapshot["closed_s"]
        self._ratio.restore(snapshot.get("ratio", {}))
        self._observed.restore(snapshot.get("observed", {}))
        self._reactions.restore(snapshot.get("reactions", {}))
        for name, bounds in self._bounds.items():
            for bound, kept in zip(bounds, snapshot["bounds"][name], strict=True):
                bound.restore(kept)
