"""AUC, calibration and drift, against plain arithmetic on the same labels."""

import random

import pytest

from trimtab.schemas.label import Label, Prediction
from trimtab.streams.labels.window_scores import LEAST, WindowScores

START_S = 1_700_000_000


def pair(probabilities: dict[str, float], truth: str, variant: str = "v2") -> tuple[Prediction, Label]:
    answer = max(probabilities, key=lambda name: probabilities[name])
    return (
        Prediction(request="r", release="fraud", variant=variant, time_ms=0, label=answer, probabilities=probabilities),
        Label(request="r", time_ms=0, label=truth),
    )


def values(scores: WindowScores, variant: str = "v2") -> dict[str, float]:
    return {one.metric: one.value for one in scores.close(START_S + 10) if one.variant == variant}


def opened() -> WindowScores:
    scores = WindowScores(10)
    assert scores.close(START_S) == []
    return scores


def test_ranking_is_told_as_the_share_of_pairs_in_order() -> None:
    scores, draws, drawn = opened(), random.Random(3), list[tuple[float, bool]]()
    for _ in range(2_000):
        is_fraud = draws.random() < 0.3
        share = min(1.0, max(0.0, draws.gauss(0.6 if is_fraud else 0.4, 0.2)))
        drawn.append((share, is_fraud))
        scores.take(*pair({"no": 1.0 - share, "yes": share}, "yes" if is_fraud else "no"))
    frauds, others = [one for one, is_ in drawn if is_], [one for one, is_ in drawn if not is_]
    in_order = sum((fraud > other) + 0.5 * (fraud == other) for fraud in frauds for other in others)
    assert values(scores)["auc"] == pytest.approx(in_order / len(frauds) / len(others), abs=0.01)


def test_confidence_is_held_to_what_was_right() -> None:
    scores = opened()
    for number in range(100):
        scores.take(*pair({"a": 0.95, "b": 0.05}, "a" if number % 10 < 7 else "b"))
    assert values(scores)["calibration_error"] == pytest.approx(0.25)


def test_too_few_labels_and_one_class_tell_nothing() -> None:
    scores = opened()
    for _ in range(LEAST - 1):
        scores.take(*pair({"a": 0.9, "b": 0.1}, "a"))
    assert values(scores) == {}
    scores = opened()
    for _ in range(LEAST):
        scores.take(*pair({"a": 0.9, "b": 0.1}, "a"))
    assert values(scores) == {"calibration_error": pytest.approx(0.1), "drift": 0.0}


def test_windows_are_told_once_and_variants_apart() -> None:
    scores = opened()
    for number in range(LEAST):
        scores.take(*pair({"a": 0.9, "b": 0.1}, "a", variant=f"v{number % 2}"))
        scores.take(*pair({"a": 0.9, "b": 0.1}, "b", variant="v1"))
    assert scores.close(START_S + 9) == []
    told = scores.close(START_S + 10)
    assert {one.variant for one in told} == {"v1"}, "v0 has too few"
    assert {one.metric: one.value for one in told} == {
        "calibration_error": pytest.approx(0.5667, abs=1e-4), "auc": pytest.approx(0.5), "drift": 0.0,
    }  # fmt: skip
    assert scores.close(START_S + 20) == []


def test_errors_that_begin_are_a_drift() -> None:
    scores = opened()
    seen = [scores.take(*pair({"a": 0.9, "b": 0.1}, "a" if number < 1_000 else "b")) for number in range(1_400)]
    (first, *_) = [(number, one) for number, one in enumerate(seen) if one is not None]
    assert 1_000 < first[0] < 1_100
    assert first[1].after > first[1].before
    assert first[1].arm == ("fraud", "v2", "")
    assert values(scores)["drift"] == 1.0
    for _ in range(LEAST):
        scores.take(*pair({"a": 0.9, "b": 0.1}, "b"))
    told = {one.metric: one.value for one in scores.close(START_S + 20)}
    assert told["drift"] == 0.0, "it has drifted before, and stays as it is now"


def test_a_drift_is_seen_across_windows_without_labels() -> None:
    scores, seen = opened(), list[int]()
    for burst in range(40):  # as an hourly file of labels brings them
        for _ in range(LEAST):
            if scores.take(*pair({"a": 0.9, "b": 0.1}, "a" if burst < 20 else "b")):
                seen.append(burst)
        told = {one.metric: one.value for one in scores.close(START_S + 3600 * (burst + 1))}
        assert told["drift"] == float(burst in seen)
        assert scores.close(START_S + 3600 * (burst + 1) + 10) == []
    assert seen
    assert min(seen) in (20, 21)


def test_of_too_many_variants_those_are_forgotten_that_were_seen_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.streams.labels.window_scores.MOST_ARMS", 2)
    scores = opened()

    def bring(variant: str, truth: str, times: int, end_s: int) -> bool:
        seen = [scores.take(*pair({"a": 0.9, "b": 0.1}, truth, variant)) for _ in range(times)]
        scores.close(START_S + end_s)
        return any(seen)

    for at, variant in enumerate(("v1", "v2", "v1", "v3")):  # v2 is the first now
        bring(variant, "a", 500, 10 * (at + 1))
    assert bring("v1", "b", 200, 50), "it is remembered that it was right"
    assert not bring("v2", "b", 200, 60), "it is not: it has been wrong from the beginning"


def test_numbers_have_no_windows() -> None:
    scores = opened()
    number = Prediction(request="r", release="fraud", variant="v2", time_ms=0, value=1.0)
    assert scores.take(number, Label(request="r", time_ms=0, value=2.0)) is None
    assert values(scores) == {}
