from itertools import islice
from statistics import median

import pytest

from trimtab.control.demo import DemoOptions, Scenario, Strategy
from trimtab.control.demo.scenario import LATENCY_LIMIT_MS, VARIANTS, Answer, answers, hold_s, story

STORIES = [one for one in Scenario if one is not Scenario.MODELS]


def drawn(scenario: str, variant: str, count: int, seed: int = 1) -> list[Answer]:
    course = story(DemoOptions(scenario=Scenario(scenario))).courses[variant]
    return list(islice(answers(course, variant=variant, seed=seed), count))


def share(answers: list[Answer], what: str) -> float:
    return sum(bool(getattr(answer, what)) for answer in answers) / len(answers)


def turn_of(scenario: str, variant: str = "v3") -> int:
    return story(DemoOptions(scenario=Scenario(scenario))).courses[variant].turns_at


@pytest.mark.parametrize("scenario", STORIES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_answers_are_the_same_for_the_same_seed(scenario: str, variant: str) -> None:
    assert drawn(scenario, variant, 500) == drawn(scenario, variant, 500)


def test_answers_differ_between_seeds_and_between_variants() -> None:
    assert drawn("better", "v1", 50, seed=1) != drawn("better", "v1", 50, seed=2)
    assert [one.latency_ms for one in drawn("better", "v1", 50)] != [
        one.latency_ms for one in drawn("better", "v2", 50)
    ]


@pytest.mark.parametrize("scenario", STORIES)
def test_baseline_never_fails_and_is_never_slow(scenario: str) -> None:
    seen = drawn(scenario, "v1", 20_000)
    assert share(seen, "failed") == 0
    assert median(one.latency_ms for one in seen) == pytest.approx(15.0, rel=0.05)
    assert max(one.latency_ms for one in seen) < LATENCY_LIMIT_MS


def test_faulty_v2_fails_three_in_ten_from_its_first_request() -> None:
    assert share(drawn("faulty", "v2", 5_000), "failed") == pytest.approx(0.30, abs=0.03)
    assert share(drawn("faulty", "v2", 100), "failed") > 0.1


def test_faulty_v3_is_fine_until_it_turns() -> None:
    turn = turn_of("faulty")
    seen = drawn("faulty", "v3", turn + 5_000)
    assert turn > 100
    assert share(seen[:turn], "failed") == 0
    assert share(seen[turn:], "failed") == pytest.approx(0.40, abs=0.03)


def test_under_a_bandit_v3_turns_within_what_its_floor_brings_it() -> None:
    options = DemoOptions(strategy=Strategy.BANDIT, duration_s=20.0, rps=150)
    floor_requests = 20.0 * 150 * 0.03
    assert 0 < story(options).courses["v3"].turns_at < floor_requests / 4


def test_slow_candidates_never_fail() -> None:
    for variant in ("v2", "v3"):
        assert share(drawn("slow", variant, 3_000), "failed") == 0


def test_slow_v2_is_slow_from_its_first_request() -> None:
    assert median(one.latency_ms for one in drawn("slow", "v2", 100)) == pytest.approx(250, rel=0.1)


def test_slow_v3_grows_a_tail_when_it_turns() -> None:
    turn = turn_of("slow")
    seen = [one.latency_ms > LATENCY_LIMIT_MS for one in drawn("slow", "v3", turn + 5_000)]
    assert not any(seen[:turn])
    assert sum(seen[turn:]) / 5_000 == pytest.approx(0.35, abs=0.03)


def test_better_v2_converts_most_and_v3_least() -> None:
    rates = [share(drawn("better", variant, 20_000), "converted") for variant in VARIANTS]
    assert rates == pytest.approx([0.20, 0.32, 0.17], abs=0.015)


@pytest.mark.parametrize(("duration_s", "expected_s"), [(5, 2), (20, 2), (36, 3), (60, 5), (3600, 5)])
def test_steps_take_a_quarter_of_a_usual_run(duration_s: float, expected_s: float) -> None:
    assert hold_s(duration_s) == expected_s


def test_models_have_acts_and_no_story() -> None:
    with pytest.raises(ValueError, match="its acts are in"):
        story(DemoOptions(scenario=Scenario.MODELS, duration_s=180))
