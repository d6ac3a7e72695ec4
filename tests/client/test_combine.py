"""One answer of several: by hand, against numpy, and what does not come to one."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.client import Answer, combine
from trimtab.schemas.combination import Combine

SURE, TORN = Answer(probabilities={"7": 0.9, "1": 0.1}), Answer(probabilities={"7": 0.2, "1": 0.7, "9": 0.1})


def test_probabilities_are_weighed() -> None:
    made = combine({"v1": SURE, "v2": TORN}, {"v1": 6_000, "v2": 4_000}, "mean")
    assert made.probabilities == pytest.approx({"7": 0.62, "1": 0.34, "9": 0.04})
    assert (made.label, made.value) == ("7", None)


def test_votes_are_of_weights_and_not_of_heads() -> None:
    two_to_one = {"v1": Answer(label="7"), "v2": Answer(label="1"), "v3": TORN}
    assert combine(two_to_one, {"v1": 6_000, "v2": 2_000, "v3": 2_000}, "vote") == Answer(
        label="7", probabilities={"7": 0.6, "1": 0.4}
    )
    assert combine(two_to_one, {"v1": 4_000, "v2": 3_000, "v3": 3_000}, "vote").label == "1"


def test_a_class_without_probabilities_is_taken_for_a_certain_one() -> None:
    made = combine({"v1": Answer(label="1"), "v2": SURE}, {"v1": 1, "v2": 1}, "mean")
    assert made.probabilities == pytest.approx({"1": 0.55, "7": 0.45})


def test_numbers_have_a_weighted_mean_and_median() -> None:
    answers = {"v1": Answer(value=1.0), "v2": Answer(value=10.0), "v3": Answer(value=100.0)}
    weights = {"v1": 2_000, "v2": 5_000, "v3": 3_000}
    assert combine(answers, weights, "mean").value == pytest.approx(35.2)
    assert combine(answers, weights, "median").value == 10.0
    assert combine(answers, {"v1": 5_000, "v2": 0, "v3": 5_000}, "median").value == 50.5
    assert combine(answers, {"v1": 1, "v2": 1, "v3": 4}, "median").value == 100.0


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 50)), min_size=1, max_size=8))
def test_the_median_is_that_of_each_number_as_often_as_its_weight_says(told: list[tuple[float, int]]) -> None:
    answers = {f"v{place}": Answer(value=value) for place, (value, _) in enumerate(told)}
    weights = {f"v{place}": weight for place, (_, weight) in enumerate(told)}
    repeated = np.repeat([value for value, _ in told], [weight for _, weight in told])
    assert combine(answers, weights, "median").value == pytest.approx(float(np.median(repeated)))


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1),
    st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
)
def test_a_mean_of_probabilities_sums_to_one_and_lies_among_them(
    told: Mapping[str, list[float]], given_weights: list[int]
) -> None:
    answers = {}
    for member, shares in told.items():
        total = math.fsum(shares) or 1.0
        answers[member] = Answer(label="x", probabilities={str(at): share / total for at, share in enumerate(shares)})
    weights = dict(zip("abcd", given_weights, strict=True))
    made = combine(answers, weights, "mean").probabilities
    for name, share in made.items():
        each = [answer.probabilities[name] for answer in answers.values()]
        assert min(each) - 1e-9 <= share <= max(each) + 1e-9
    sums = [math.fsum(answer.probabilities.values()) for answer in answers.values()]
    assert min(sums) - 1e-9 <= math.fsum(made.values()) <= max(sums) + 1e-9


def test_where_nobody_who_answered_has_any_weight_all_count_alike() -> None:
    answers = {"v2": Answer(value=2.0), "v3": Answer(value=4.0)}
    assert combine(answers, {"v1": 10_000, "v2": 0}, "mean").value == 3.0


def test_equal_classes_go_by_name_whoever_is_asked_first() -> None:
    one, other = Answer(label="b"), Answer(label="a")
    assert combine({"v1": one, "v2": other}, {"v1": 1, "v2": 1}, "vote").label == "a"
    assert combine({"v2": other, "v1": one}, {"v1": 1, "v2": 1}, "vote").label == "a"


@pytest.mark.parametrize(
    ("answers", "how", "refusal"),
    [
        ({}, "mean", "expected at least one answer, got none"),
        ({"v1": Answer(value=1), "v2": SURE}, "mean",
         "combine: mean: expected answers of one kind, got a number from v1 and a class from v2"),
        ({"v1": Answer(value=1), "v2": SURE}, "vote", "combine: vote: expected classes, got a number from v1"),
        ({"v1": Answer(value=1), "v2": SURE}, "median", "combine: median: expected numbers, got a class from v2"),
    ],
)  # fmt: skip
def test_what_does_not_come_to_one_is_refused_with_whose_it_is(
    answers: Mapping[str, Answer], how: Combine, refusal: str
) -> None:
    with pytest.raises(ValueError, match=refusal):
        combine(answers, {"v1": 1, "v2": 1}, how)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({}, "expected a label, probabilities or a value"),
        ({"label": "7", "value": 7.0}, "expected a label, probabilities or a value"),
        ({"value": math.nan}, "value: expected a finite number, got nan"),
        ({"value": math.inf}, "value: expected a finite number, got inf"),
        ({"probabilities": {"7": 1.5}}, "probability of '7': expected 0 to 1, got 1.5"),
        ({"label": "7", "probabilities": {"7": math.nan}}, "probability of '7': expected 0 to 1, got nan"),
    ],
)
def test_what_is_no_answer_is_refused(fields: dict[str, object], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        Answer(**fields)  # type: ignore[arg-type]  # what a model server may say
