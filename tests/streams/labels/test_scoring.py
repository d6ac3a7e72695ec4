"""What a label says of a prediction, against figures worked out by hand."""

import math

import pytest

from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.label import Label, Prediction, decode, encode
from trimtab.streams.labels.scoring import MOST_LOSS, Unfit, differences, scores


def predicted(**more: object) -> Prediction:
    given: dict[str, object] = {"request": "r", "release": "fraud", "variant": "v2", "time_ms": 5, **more}
    return decode_prediction(given)


def decode_prediction(given: dict[str, object]) -> Prediction:
    import msgspec  # noqa: PLC0415 - here alone

    event = decode(msgspec.json.encode({"kind": "prediction", **given}))
    assert isinstance(event, Prediction)
    return event


def label(**more: object) -> Label:
    return Label(request="r", time_ms=9, **more)  # type: ignore[arg-type]  # fields of a label


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        ({"label": "7"}, "7", {"correct": 1.0}),
        ({"label": "7"}, "1", {"correct": 0.0}),
        ({"label": "7", "probabilities": {"7": 0.5, "1": 0.25}}, "7",
         {"correct": 1.0, "log_loss": 0.6931, "brier": 0.3125}),
        ({"label": "7", "probabilities": {"7": 0.5, "1": 0.25}}, "1",
         {"correct": 0.0, "log_loss": 1.3863, "brier": 0.8125}),
        ({"label": "7", "probabilities": {"7": 1.0}}, "3", {"correct": 0.0, "log_loss": MOST_LOSS, "brier": 2.0}),
        ({"label": "7", "probabilities": {"7": 1.0}}, "7", {"correct": 1.0, "log_loss": 0.0, "brier": 0.0}),
    ],
    ids=["right", "wrong", "rather sure", "rather sure and wrong", "sure and wrong", "sure and right"],
)  # fmt: skip
def test_classes(prediction: dict[str, object], truth: str, expected: dict[str, float]) -> None:
    assert scores(predicted(**prediction), label(label=truth)) == expected


def test_numbers() -> None:
    assert scores(predicted(value=2.5), label(value=4.0)) == {"absolute_error": 1.5, "squared_error": 2.25}
    assert scores(predicted(value=-1e300), label(value=1e300)) == {"absolute_error": 2.0**20, "squared_error": 2.0**20}


def test_a_copy_is_compared_with_the_live_answer() -> None:
    assert differences(predicted(label="7"), predicted(label="7")) == {"agreement": 1.0}
    assert differences(predicted(value=2.5), predicted(value=4.0)) == {"difference": 1.5}
    assert differences(predicted(value=2.5), predicted(label="4")) == {}
    sure, unsure = {"7": 0.9, "1": 0.1}, {"7": 0.6, "1": 0.4}
    compared = differences(predicted(label="7", probabilities=unsure), predicted(label="7", probabilities=sure))
    assert compared == {"agreement": 1.0, "difference": 0.3}


def test_a_class_does_not_fit_a_number() -> None:
    with pytest.raises(Unfit, match="not of one kind"):
        scores(predicted(value=2.5), label(label="7"))
    with pytest.raises(Unfit, match="not of one kind"):
        scores(predicted(label="7"), label(value=1.0))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "expected a label or a value, got both or neither"),
        ({"label": "1", "value": 1.0}, "expected a label or a value, got both or neither"),
        ({"label": "1", "probabilities": {"1": 1.5}}, "probabilities: 1: expected 0 to 1, got 1.5"),
        ({"label": "1", "probabilities": {"1": -0.1}}, "expected 0 to 1, got -0.1"),
        ({"label": "1", "probabilities": {"1": 0.9, "2": 0.2}}, "probabilities sum to 1.1, expected 1"),
        ({"value": 1.0, "probabilities": {"1": 0.9}}, "expected a label with them, got a value"),
        ({"label": "1", "probabilities": {str(n): 0.0 for n in range(1_001)}}, "at most 1000 classes, got 1001"),
        ({"label": "1", "request": ""}, "not a prediction or label"),
        ({"label": "1", "request": "x" * 257}, "not a prediction or label"),
        ({"label": "1", "time_ms": -1}, "not a prediction or label"),
    ],
    ids=lambda value: value if isinstance(value, str) else "given",
)
def test_what_is_no_prediction_is_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidEvent, match=words):
        predicted(**more)


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"kind": "label"}', b'{"kind": "label", "v": 99}', b"\xff"])
def test_what_is_no_event_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode(payload)


def test_an_event_of_a_newer_version_is_refused_as_such() -> None:
    with pytest.raises(InvalidEvent, match="of version 2: expected at most 1"):
        decode(b'{"kind": "label", "request": "r", "time_ms": 1, "label": "7", "v": 2}')


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_is_finite(value: float) -> None:
    with pytest.raises(InvalidEvent):
        decode(encode(label(value=value)))
