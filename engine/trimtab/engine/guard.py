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

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from trimtab.engine.evidence import Evidence, News
from trimtab.engine.metric import MISSING, Value, value_of
from trimtab.engine.metric_rail import rails_under
from trimtab.engine.rail import Pair, Rail, ShareRail
from trimtab.engine.ratio_guard import RatioGuard
from trimtab.engine.request_book import request_keep
from trimtab.engine.seconds import ClosedSecond
from trimtab.engine.sequential.conclusion import Conclusion, Rule
from trimtab.engine.sequential.look import Share
from trimtab.engine.shown import assessment_of
from trimtab.engine.sizing import gauges_of
from trimtab.engine.sketch import bucket_of_limit
from trimtab.engine.totals import ArmTotals
from trimtab.engine.window import ArmWindow, Keep
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.guardrail import AnyGuardrail, ErrorRateGuardrail, Guardrail, LatencyGuardrail, MetricGuardrail
from trimtab.schemas.reading import outcomes_read
from trimtab.schemas.release import Spec

CLOSED_AFTER_S: Final = 2
_SLOWEST_PAIRS_S: Final = 3
"""How long bounds by seconds wait at most, however many releases there are."""
_SHOWN_MS: Final = 60_000
"""The window that every decision shows of every variant."""

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""
_NOTHING: Final = ArmWindow()
_NO_SHARE: Final = Share(0, 0)


@dataclass(slots=True)
class _Bound:
    """One bound of one guardrail on one variant."""

    variant: str
    guardrail: Guardrail
    name: str
    """the field of the guardrail: max, min, maxRatio, minRatio"""
    rail: Rail
    rule: Rule
    began_s: int = 0
    """the second of the first response; 0 before"""
    is_fresh: bool = False
    """whether seconds were taken that nobody has looked at yet"""

    def is_warming_up(self, now_s: int) -> bool:
        """Whether the variant's warm-up, which begins with its first response, is not over."""
        warm_up_ms = self.guardrail.warm_up
        return warm_up_ms > 0 and (not self.began_s or (now_s - self.began_s) * 1000 < warm_up_ms)

    def after(self, before: Self) -> Self:
        """Gives this bound, which starts anew in place of another: a warm-up that is over stays over."""
        self.began_s = before.began_s
        return self

    def see(self, second: int, responses: int) -> None:
        """Takes note of responses."""
        if responses and not self.began_s:
            self.began_s = second


@dataclass(slots=True)
class _ShareBound(_Bound):
    """An absolute bound on a share of responses: judged response by response, in the order in which they are told."""

    told: Share = _NO_SHARE
    """what the test has taken"""
    most: float = math.inf
    """ln E, at most, with all that has come since it was last looked at; infinite where it has to be looked at"""
    gain: float = 0.0
    """what one breach adds to ln E at most"""

    def ahead(self, totals: ArmTotals) -> Share:
        """Gives what has come since. Contents may be replaced by lesser ones: what is missing then is waited for."""
        seen = counted(self.guardrail, totals)
        more = max(0, seen.responses - self.told.responses)
        return Share(more, min(more, max(0, seen.breaches - self.told.breaches)))

    def close(self, totals: ArmTotals, now_s: int) -> None:
        """Lets what has come be a look."""
        look = self.ahead(totals)
        self.see(now_s, look.responses)
        if look.responses and not self.is_warming_up(now_s):
            self.rail.update(look)
            self.most = math.inf
        self.told = Share(self.told.responses + look.responses, self.told.breaches + look.breaches)


def keep_of(spec: Spec) -> Keep:
    """Gives what has to be kept of a release for its guardrails and for what is shown of it."""
    watched = [(one, rails_under(spec, one)) for one in spec.bounds if one.severity != "muted"]
    slower = {bucket_of_limit(one.max) for one, _ in watched if isinstance(one, LatencyGuardrail) and one.max}
    gauges = gauges_of(spec.scaling) if spec.scaling else {}
    sized_ms = (spec.scaling.window,) if spec.scaling else ()
    return Keep(
        lengths_ms=(*Keep().lengths_ms, _SHOWN_MS, *sized_ms, *(guardrail.window for guardrail, _ in watched)),
        metrics=tuple(dict.fromkeys((*outcomes_read(spec.bounds, spec.metric_of_name), *gauges))),
        segments=tuple(segment.name for segment in spec.segments),
        keeps_seconds=spec.objective_metric is not None
        or any(not isinstance(rail, ShareRail) for _, rails in watched for rail in rails.values()),
        slower_than=tuple(sorted(slower)),
        requests=request_keep(spec),
    )


class Guard:
    """Guardrails on the variants of one release, under one spec."""

    __slots__ = ("_bounds", "_closed_s", "_evidence", "_has_pairs", "_ratio", "_spec")

    def __init__(self, spec: Spec, evidence: Evidence) -> None:
        self._spec = spec
        self._evidence = evidence
        self._bounds = {variant.name: self._on(variant.name) for variant in spec.variants}
        self._has_pairs = keep_of(spec).keeps_seconds
        self._closed_s = 0
        self._ratio = RatioGuard(spec, evidence)

    def _on(self, variant: str) -> list[_Bound]:
        """Gives fresh bounds on a variant; those that act share what `falseAborts` allows over all candidates."""
        spec, bounds = self._spec, list[_Bound]()
        rails = [(guardrail, rails_under(spec, guardrail)) for guardrail in spec.bounds]
        acting = sum(len(of) for one, of in rails if one.severity != "signal" and one.confidence is None)
        alpha = spec.false_aborts / max(1, acting * (len(spec.variants) - 1))
        for guardrail, of in rails:
            rule = Rule(alpha if guardrail.confidence is None else 1.0 - guardrail.confidence, guardrail.min_samples)
            for name, rail in of.items():
                if isinstance(rail, ShareRail):
                    told = counted(guardrail, self._evidence.totals[variant])
                    bounds.append(_ShareBound(variant, guardrail, name, rail, rule, told=told, gain=rail.gain))
                else:
                    bounds.append(_Bound(variant, guardrail, name, rail, rule))
        return bounds

    def close(self, now_s: int, pace: int = 1) -> list[ClosedSecond]:
        """Lets what has come be a look, takes the seconds that are over, and gives them; every `pace` seconds.

        Absolute bounds on shares miss nothing by that, for what is no look yet is a peek; others would.
        """
        if now_s - self._closed_s < (min(pace, _SLOWEST_PAIRS_S) if self._has_pairs else pace):
            return []
        self._closed_s = now_s
        self._ratio.close(now_s)
        for name, bounds in self._bounds.items():
            for bound in bounds:
                if isinstance(bound, _ShareBound):
                    bound.close(self._evidence.totals[name], now_s)
        seconds = self._evidence.closed(now_s - CLOSED_AFTER_S) if self._has_pairs else []
        for closed in seconds:
            self._take(closed)
        return seconds

    def _take(self, closed: ClosedSecond) -> None:
        baseline, totals = closed.arms.get(self._spec.baseline, _NOTHING), self._evidence.totals
        of_baseline = totals[self._spec.baseline].in_flight
        for name, bounds in self._bounds.items():
            pair = Pair(closed.arms.get(name, _NOTHING), baseline, totals[name].in_flight, of_baseline)
            for bound in bounds:
                if not isinstance(bound, _ShareBound):
                    bound.see(closed.second, pair.variant.responses)
                    if not bound.is_warming_up(closed.second):
                        bound.rail.update(pair)
                        bound.is_fresh = True

    def fails(self, news: Mapping[str, News], candidates: Sequence[str], now_s: int) -> bool:
        """Whether one of these variants fails; `news` is what has come since this was last asked."""
        urgent: list[_Bound] = []
        for name in candidates:
            new = news.get(name)
            for bound in self._bounds[name]:
                if isinstance(bound, _ShareBound):
                    bound.most += bound.gain * breaches_at_most(bound.guardrail, new) if new else 0.0
                    is_urgent = bound.most >= bound.rule.threshold
                else:
                    is_urgent, bound.is_fresh = bound.is_fresh, False
                if is_urgent:
                    urgent.append(bound)
        if self._ratio.fails() and candidates:
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
        return not is_open and self._evidence.is_settled and self._ratio.is_settled

    def _is_open(self, bound: _Bound, *, is_candidate: bool) -> bool:
        if isinstance(bound, _ShareBound):
            return bound.guardrail.warm_up > 0 and bound.ahead(self._evidence.totals[bound.variant]).responses > 0
        return bound.is_fresh and is_candidate

    def failing(self, candidates: Sequence[str]) -> Iterator[AnyGuardrail]:
        """Gives the guardrails that these variants fail, once `is_settled`."""
        if candidates:
            yield from self._ratio.failing()
        yield from (bound.guardrail for name in candidates for bound in self._bounds[name] if self._fails(bound))

    def _fails(self, bound: _Bound) -> bool:
        ahead = None
        if isinstance(bound, _ShareBound):
            if bound.most < bound.rule.threshold:
                return False
            ahead = bound.ahead(self._evidence.totals[bound.variant])
        return bound.rail.conclude(bound.rule, ahead).verdict is Verdict.FAIL

    def assess(self, names: Sequence[str], now_s: int) -> dict[str, list[Assessment]]:
        """Gives the verdict of every guardrail on each of these variants."""
        return {
            name: [*(self._assess(bound, now_s) for bound in self._bounds[name]), *self._ratio.assess(name)]
            for name in names
        }

    def _assess(self, bound: _Bound, now_s: int) -> Assessment:
        guardrail, conclusion = bound.guardrail, self._look(bound, now_s)
        window = self._evidence.window(bound.variant, guardrail.window)
        measured = self._measured(guardrail, bound.variant, window)
        return assessment_of(guardrail, bound.name, bound.variant, conclusion, window, measured=measured)

    def _measured(self, guardrail: Guardrail, variant: str, window: ArmWindow) -> Value:
        """Gives the value in a window of the metric that is bounded, where it is one of the release file."""
        if not isinstance(guardrail, MetricGuardrail):
            return MISSING
        return value_of(self._spec.metric_of_name[guardrail.name], window, self._evidence.totals[variant].in_flight)

    def _look(self, bound: _Bound, now_s: int) -> Conclusion:
        """Gives the verdict of a bound, with what is no look yet where it may be judged."""
        if not isinstance(bound, _ShareBound):
            return bound.rail.conclude(bound.rule)
        ahead = _NO_SHARE if bound.is_warming_up(now_s) else bound.ahead(self._evidence.totals[bound.variant])
        conclusion = bound.rail.conclude(bound.rule, ahead)
        bound.most = conclusion.ln_evidence
        return conclusion

    def start_over(self, does: Callable[[AnyGuardrail], bool]) -> None:
        """Lets the evidence of the guardrails that `does` holds for start anew: somebody has acted on it."""
        self._ratio.start_over(does)
        for variant, bounds in self._bounds.items():
            pairs = zip(bounds, self._on(variant), strict=True)
            self._bounds[variant] = [fresh.after(old) if does(old.guardrail) else old for old, fresh in pairs]

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        bounds = {name: [_snapshot_of(bound) for bound in of_variant] for name, of_variant in self._bounds.items()}
        return {"closed_s": self._closed_s, "bounds": bounds, "ratio": self._ratio.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a guard under the same spec."""
        self._closed_s = snapshot["closed_s"]
        self._ratio.restore(snapshot.get("ratio", {}))
        for name, bounds in self._bounds.items():
            for bound, kept in zip(bounds, snapshot["bounds"][name], strict=True):
                bound.began_s, bound.is_fresh = kept["began_s"], kept["is_fresh"]
                bound.rail.restore(kept["rail"])
                if isinstance(bound, _ShareBound):
                    bound.told = Share(*kept["told"])


def _snapshot_of(bound: _Bound) -> Snapshot:
    kept: Snapshot = {"began_s": bound.began_s, "is_fresh": bound.is_fresh, "rail": bound.rail.snapshot()}
    return kept | {"told": list(bound.told)} if isinstance(bound, _ShareBound) else kept


def counted(guardrail: Guardrail, totals: ArmTotals) -> Share:
    """Gives the responses of a variant since its release began, and those that breach an absolute bound on a share."""
    match guardrail:
        case LatencyGuardrail():
            return Share(totals.responses, totals.slower.get(bucket_of_limit(guardrail.max or 0.0), 0))
        case ErrorRateGuardrail(metric="error_rate"):
            return Share(totals.responses, totals.errors)
        case _:
            return Share(totals.responses, totals.client_errors)


def breaches_at_most(guardrail: Guardrail, news: News) -> int:
    """Gives how many breaches of an absolute bound on a share are among `news`, at most."""
    if isinstance(guardrail, LatencyGuardrail):
        return news.responses if news.slowest > bucket_of_limit(guardrail.max or 0.0) else 0
    return news.errors if guardrail.metric == "error_rate" else news.responses
