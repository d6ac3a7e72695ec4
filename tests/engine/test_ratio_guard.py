"""The sample ratio of a release by itself: which seconds it takes, when it fails, and what is kept of it."""

import math

import pytest

from engine.builders import Json, content, error_rate, release
from engine.guard_rig import GuardRig, routed
from trimtab.engine.guard import REQUESTS_AFTER_S
from trimtab.engine.ratio_guard import RatioGuard
from trimtab.engine.sequential.look import Routed
from trimtab.schemas.decision import Assessment, Verdict

RATIO: Json = {"metric": "sample_ratio"}


class RatioRig(GuardRig):
    """A release whose revision 1 sends half of the requests to either variant, and its sample ratio."""

    def __init__(self, *rails: Json, strategy: Json | None = None) -> None:
        GuardRig.__init__(self, release(guardrails=rails, strategy=strategy))
        assert self.evidence.requests is not None
        self.book = self.evidence.requests
        self.book.decide(0, (5, 1), (5_000, 5_000), {})
        self.ratio = RatioGuard(self.spec, self.evidence)

    def ask(self, seconds: int, stable: int, canary: int) -> None:
        """Lets so many requests come in each of so many seconds; looks are taken as they are over."""
        for _ in range(seconds):
            self.tell(stable=routed(stable), canary=routed(canary))
            self.wait()

    def wait(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now_s += 1
            self.evidence.advance(self.now_s)
            for look in self.book.routed.close(self.now_s - REQUESTS_AFTER_S, self.book.in_force):
                self.ratio.take(look, self.now_s)

    @property
    def said(self) -> Assessment:
        (assessment,) = self.ratio.assess("canary")
        return assessment


def test_a_second_is_taken_once_it_is_over_by_so_long() -> None:
    rig = RatioRig(RATIO)
    rig.tell(stable=routed(30), canary=routed(40))
    seen = []
    for _ in range(REQUESTS_AFTER_S + 3):
        rig.wait()
        seen.append(rig.said.samples)
    assert seen == [0, 0, 0, 70, 70, 70]


def test_copies_of_requests_are_no_mismatch() -> None:
    canary: Json = {"type": "canary"}
    rig = RatioRig(RATIO, strategy={"type": "shadow", "then": canary})
    rig.ask(10, 90, 10)
    assert (rig.ratio.fails(), rig.ratio.failing(), rig.ratio.assess("canary")) == (False, [], [])
    after = RatioRig(RATIO, strategy=canary)
    after.ask(10, 90, 10)
    assert after.ratio.fails()


def test_what_is_shown_is_the_candidates_own_ratio_and_the_evidence_of_all() -> None:
    rig = RatioRig({**RATIO, "window": "1m", "confidence": 0.99, "severity": "signal", "onFail": "hold"})
    rig.ask(5, 60, 40)
    rig.wait(4)
    assert rig.said == Assessment(
        guardrail="sample_ratio", bound="ratio", variant="canary", verdict=Verdict.FAIL, reason=rig.said.reason,
        value=0.8, limit=1.0, n=500, breaches=0, allowed_ratio=0.0, ln_evidence=rig.said.ln_evidence,
        threshold=rig.said.threshold, samples=500, severity="signal", on_fail="hold", window_s=60,
    )  # fmt: skip
    assert rig.said.threshold == pytest.approx(math.log(100))
    assert rig.ratio.assess("stable") == []


def test_a_ratio_that_is_kept_passes_while_any_request_comes() -> None:
    rig = RatioRig(RATIO)
    rig.ask(10, 50, 50)
    rig.wait(12)
    rig.tell(stable=content(requests=1))
    assert rig.said.verdict is Verdict.PASS
    rig.wait(11)
    assert (rig.said.verdict, rig.said.reason) == (Verdict.INCONCLUSIVE, "no request has come for 10 s")


def test_a_long_silence_is_told_in_seconds() -> None:
    rig = RatioRig({**RATIO, "window": "1h"})
    rig.ask(10, 50, 50)
    rig.now_s += 4_000
    rig.wait()
    assert (rig.said.reason, rig.said.window_s) == ("no request has come for 3600 s", 3_600)
    assert isinstance(rig.said.window_s, int)


def test_a_ratio_that_fails_is_no_less_so_once_nothing_comes() -> None:
    rig = RatioRig(RATIO)
    rig.ask(20, 80, 20)
    rig.wait(30)
    assert rig.said.verdict is Verdict.FAIL


def test_too_few_requests_conclude_nothing() -> None:
    rig = RatioRig({**RATIO, "minSamples": 101})
    rig.ask(1, 100, 0)
    rig.wait(4)
    assert (rig.said.verdict, rig.said.reason) == (Verdict.INCONCLUSIVE, "100 of 101 samples")


def test_seconds_that_make_it_fail_are_asked_about_once() -> None:
    rig = RatioRig(RATIO)
    assert not rig.ratio.fails()
    rig.ask(20, 80, 20)
    assert rig.ratio.fails()
    assert not rig.ratio.fails()
    rig.wait()
    assert rig.ratio.fails()
    assert [one.metric for one in rig.ratio.failing()] == ["sample_ratio"]


def test_seconds_that_keep_the_ratio_make_nothing_fail() -> None:
    rig = RatioRig(RATIO)
    rig.ask(20, 50, 50)
    assert (rig.ratio.fails(), rig.ratio.failing()) == (False, [])


def test_a_ratio_is_settled_once_every_second_was_taken_and_asked_about() -> None:
    rig = RatioRig(RATIO)
    assert rig.ratio.is_settled
    rig.tell(stable=routed(50), canary=routed(50))
    rig.wait(3)
    assert rig.ratio.is_settled
    rig.wait()
    assert not rig.ratio.is_settled
    rig.ratio.fails()
    assert rig.ratio.is_settled


@pytest.mark.parametrize(("warm_up", "seconds"), [("0s", 10), ("4s", 6), ("1s", 9)])
def test_a_warm_up_lasts_from_the_first_look_on_to_the_second(warm_up: str, seconds: int) -> None:
    rig = RatioRig({**RATIO, "warmUp": warm_up})
    rig.wait(10)
    rig.ask(10, 50, 50)
    rig.wait(4)
    assert rig.said.samples == 100 * seconds


def test_a_long_warm_up_ends_to_the_second_too() -> None:
    rig = RatioRig({**RATIO, "warmUp": "30m"})
    rig.ask(1, 50, 50)
    rig.wait(REQUESTS_AFTER_S)
    began_s = rig.now_s
    for second, samples in ((began_s + 1_799, 0), (began_s + 1_800, 100)):
        rig.now_s = second - REQUESTS_AFTER_S - 1
        rig.ask(1, 50, 50)
        rig.wait(REQUESTS_AFTER_S)
        assert rig.said.samples == samples


def test_evidence_starts_anew_where_somebody_has_acted_on_it() -> None:
    rig = RatioRig(RATIO)
    rig.ask(20, 80, 20)
    rig.ratio.start_over(lambda guardrail: guardrail.on_fail == "abort")
    assert rig.said.samples == 1_700
    rig.ratio.start_over(lambda guardrail: guardrail.on_fail == "pause")
    assert (rig.said.samples, rig.ratio.fails()) == (0, False)
    rig.wait(4)
    assert rig.said.samples == 300


def test_there_is_nothing_to_ask_about_evidence_that_starts_anew() -> None:
    rig = RatioRig(RATIO)
    rig.ask(20, 80, 20)
    rig.wait(4)
    rig.ratio.start_over(lambda _: True)
    assert rig.ratio.is_settled


def test_a_ratio_continues_from_a_snapshot() -> None:
    rig = RatioRig({**RATIO, "warmUp": "2s"})
    rig.ask(10, 50, 40)
    again = RatioGuard(rig.spec, rig.evidence)
    again.restore(rig.ratio.snapshot())
    assert again.assess("canary") == [rig.said]
    assert again.snapshot() == rig.ratio.snapshot()
    assert not again.is_settled
    rig.ratio = again
    rig.wait(4)
    assert rig.said.samples == 720


def test_a_snapshot_from_before_anybody_asked_for_a_ratio_starts_it_anew() -> None:
    rig = RatioRig(RATIO)
    rig.ask(10, 50, 50)
    rig.ratio.restore({})
    assert rig.said.samples == 700


@pytest.mark.parametrize("rails", [(), (error_rate(0.05),), ({**RATIO, "severity": "muted"},)], ids=str)
def test_nobody_asks_for_a_ratio_that_is_muted_or_not_there(rails: tuple[Json, ...]) -> None:
    rig = RatioRig(*rails)
    rig.ask(20, 80, 20)
    assert (rig.ratio.assess("canary"), rig.ratio.failing(), rig.ratio.fails()) == ([], [], False)
    assert (rig.ratio.is_settled, rig.ratio.snapshot()) == (True, {})


def test_a_ratio_that_is_muted_asks_nothing_of_requests_that_are_kept_for_another_reason() -> None:
    attribution: Json = {"metric": "converted", "attribution": {"window": "5s"}}
    rig = GuardRig(release(guardrails=[{**RATIO, "severity": "muted"}], objective=attribution))
    ratio = RatioGuard(rig.spec, rig.evidence)
    ratio.take(Routed((5_000, 5_000), [50, 5]), rig.now_s + 10)
    assert (ratio.is_settled, ratio.assess("canary"), ratio.failing()) == (True, [], [])
