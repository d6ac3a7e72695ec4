import itertools
from collections.abc import Iterable

import pytest

from control.demo.builders import BASELINE_ALONE, EVEN_STEP, decision, exchange, ledger
from trimtab.control.demo import DemoOptions, Scenario, Strategy
from trimtab.control.demo.ledger import Exchange, Ledger
from trimtab.control.demo.scenario import story
from trimtab.control.demo.verdict import Verdict, judge
from trimtab.schemas.decision import Decision, Phase

DURATION_S = 60


def steady(variant: str, from_s: float, to_s: float, rps: int = 10, **changes: object) -> Iterable[Exchange]:
    count = round((to_s - from_s) * rps)
    return (exchange(from_s + number / rps, variant, **changes) for number in range(count))


def judged(
    scenario: str, newest: Decision | None, *parts: Iterable[Exchange], strategy: str = "canary", duration_s: float = 60
) -> Verdict:
    options = DemoOptions(scenario=Scenario(scenario), strategy=Strategy(strategy), duration_s=duration_s)
    return judge(options, story(options), newest, ledger(sorted(itertools.chain(*parts))))


ROLLED_BACK = decision(BASELINE_ALONE, phase=Phase.ROLLED_BACK)
PROMOTED_V2 = decision({"v1": 0, "v2": 10_000, "v3": 0}, phase=Phase.PROMOTED)
SOME_HARM = tuple(steady("v2", 5.0, 6.3, status=500))
BASELINE_TRAFFIC = tuple(steady("v1", 0, DURATION_S))


def test_faulty_run_that_was_rolled_back_with_little_harm_succeeds() -> None:
    verdict = judged("faulty", ROLLED_BACK, BASELINE_TRAFFIC, SOME_HARM)
    assert verdict.succeeded
    assert verdict.headline == "rolled back"


def test_verdict_tells_how_soon_after_its_first_bad_answer_a_variant_lost_its_traffic() -> None:
    verdict = judged("faulty", ROLLED_BACK, BASELINE_TRAFFIC, SOME_HARM)
    assert (
        "v2 answered badly first at 5.0 s and 13 times in all; its last request was sent 1.2 s later."
        in verdict.sentences
    )
    assert "v3 never answered badly." in verdict.sentences


def test_verdict_tells_how_many_requests_the_bad_variants_spoiled() -> None:
    verdict = judged("faulty", ROLLED_BACK, BASELINE_TRAFFIC, SOME_HARM)
    assert "13 of 613 requests (2.12%) failed because of v2 and v3." in verdict.sentences


def test_rolled_back_with_too_much_harm_fails() -> None:
    verdict = judged("faulty", ROLLED_BACK, BASELINE_TRAFFIC, steady("v2", 5, 8, status=500))
    assert not verdict.succeeded
    assert "Expected that at most 3% of the requests are spoiled by bad variants; it is not so." in verdict.sentences


def test_failures_of_the_baseline_are_not_blamed_on_the_candidates() -> None:
    verdict = judged(
        "faulty", ROLLED_BACK, BASELINE_TRAFFIC, steady("v1", 5, 15, status=500), steady("", 5, 6, status=0)
    )
    assert verdict.succeeded
    assert "0 of 710 requests (0.00%) failed because of v2 and v3." in verdict.sentences
    assert "110 more failed for other reasons." in verdict.sentences


def test_rolled_back_on_paper_alone_fails() -> None:
    verdict = judged("faulty", ROLLED_BACK, BASELINE_TRAFFIC, SOME_HARM, steady("v3", 59, 60, rps=2))
    assert not verdict.succeeded
    assert "Expected that no bad variant serves at the end; it is not so." in verdict.sentences


def test_a_variant_that_serves_badly_to_the_end_is_named() -> None:
    verdict = judged("faulty", ROLLED_BACK, BASELINE_TRAFFIC, steady("v3", 59, 60, rps=2, status=500))
    assert "v3 answered badly from 59.0 s on, and still served at the end." in verdict.sentences


def test_faulty_canary_that_still_progresses_fails() -> None:
    verdict = judged("faulty", decision(EVEN_STEP, step=1), BASELINE_TRAFFIC)
    assert not verdict.succeeded
    assert verdict.headline == "still progressing (step 2 of 3)"


def test_bandit_that_took_every_bad_arm_out_succeeds_without_a_rollback() -> None:
    newest = decision(BASELINE_ALONE, strategy="bandit", out={"v2": "errors", "v3": "errors"})
    verdict = judged("faulty", newest, BASELINE_TRAFFIC, SOME_HARM, strategy="bandit")
    assert verdict.succeeded
    assert verdict.headline == "v2 and v3 taken out"


def test_bandit_that_took_one_bad_arm_out_fails() -> None:
    newest = decision(BASELINE_ALONE, strategy="bandit", out={"v2": "errors"})
    assert not judged("faulty", newest, BASELINE_TRAFFIC, SOME_HARM, strategy="bandit").succeeded


def test_slow_answers_are_harm_where_the_scenario_is_about_latency() -> None:
    verdict = judged("slow", ROLLED_BACK, BASELINE_TRAFFIC, steady("v2", 5.0, 6.3, latency_ms=250.0))
    assert verdict.succeeded
    assert "13 of 613 requests (2.12%) failed or took over 150 ms because of v2 and v3." in verdict.sentences


def test_better_run_that_promoted_v2_succeeds() -> None:
    verdict = judged("better", PROMOTED_V2, BASELINE_TRAFFIC, steady("v2", 40, 60))
    assert verdict.succeeded
    assert verdict.headline == "promoted v2"


def test_better_run_that_promoted_another_fails() -> None:
    newest = decision({"v1": 0, "v2": 0, "v3": 10_000}, phase=Phase.PROMOTED)
    verdict = judged("better", newest, BASELINE_TRAFFIC)
    assert not verdict.succeeded
    assert verdict.headline == "promoted v3"


FAVOURS_V2 = decision({"v1": 100, "v2": 9_800, "v3": 100}, strategy="bandit")


def test_better_bandit_with_four_fifths_of_the_last_ten_seconds_succeeds() -> None:
    verdict = judged("better", FAVOURS_V2, BASELINE_TRAFFIC, steady("v2", 50, 60, rps=40), strategy="bandit")
    assert verdict.succeeded
    assert verdict.headline == "bandit favours v2"


def test_better_bandit_with_less_than_that_fails() -> None:
    verdict = judged("better", FAVOURS_V2, BASELINE_TRAFFIC, steady("v2", 50, 60, rps=39), strategy="bandit")
    assert not verdict.succeeded


def test_canary_that_had_no_time_is_told_to_take_more() -> None:
    verdict = judged("better", decision(EVEN_STEP), steady("v1", 0, 8), duration_s=8)
    assert not verdict.succeeded
    assert (
        "The run ended before the canary was through its steps; give it 12 s or more with --duration."
        in verdict.sentences
    )


def test_canary_that_had_time_is_not_told_to_take_more() -> None:
    verdict = judged("better", decision(EVEN_STEP), BASELINE_TRAFFIC)
    assert not any("--duration" in sentence for sentence in verdict.sentences)


@pytest.mark.parametrize(("newest", "book"), [(None, [exchange(0.0)]), (ROLLED_BACK, [])])
def test_a_run_without_decision_or_without_traffic_fails(newest: Decision | None, book: list[Exchange]) -> None:
    options = DemoOptions()
    verdict = judge(options, story(options), newest, Ledger(book))
    assert not verdict.succeeded
    assert verdict.headline == "nothing happened"
