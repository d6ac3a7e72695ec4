"""Predictions and labels: what a model answered, and what turned out to be true, perhaps much later.

A message on the topic is one event as JSON, with the request's id as its key, so that a request's prediction and its
label come to the same partition. Either may come first; several variants may answer one request, and one label is of
all of them. A label is a class (`label`) or a number (`value`), and so is
a prediction; for a class it may say how probable it took which classes to be.
"""

import math
from typing import Annotated, Final

import msgspec

from trimtab.schemas.errors import InvalidEvent, NewerVersion
from trimtab.schemas.telemetry import MAX_AGE_MS, Whole
from trimtab.schemas.version import REFUSALS, Version, peek_json

VERSION: Final = 1
MAX_CLASSES: Final = 1_000
_SUM_TOLERANCE: Final = 1e-3

RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
ClassName = Annotated[str, msgspec.Meta(max_length=128)]


class Prediction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="prediction"):
    """What a variant answered to a request."""

    request: RequestId
    release: str
    variant: str
    time_ms: Whole
    """when the request was routed, milliseconds since the epoch"""
    segment: str = ""
    era: Whole = 0
    revision: Whole = 0
    """of the weights that routed it; 0 where that is not known"""
    label: ClassName | None = None
    value: float | None = None
    probabilities: dict[ClassName, float] = {}
    """class -> how probable it was said to be; those that are not named share what is left"""
    shadow: bool = False
    """whether nobody got the answer, that of a copy of the request (`mirror`): it is compared with the live one"""
    v: Version = VERSION


class Label(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="label"):
    """What was true of a request."""

    request: RequestId
    time_ms: Whole
    """when it became known"""
    label: ClassName | None = None
    value: float | None = None
    v: Version = VERSION


LabelEvent = Prediction | Label

LONGEST_WINDOW_S: Final = MAX_AGE_MS // 1000

_decode = msgspec.json.Decoder(LabelEvent).decode
_encode = msgspec.json.Encoder().encode


def encode(event: LabelEvent) -> bytes:
    """Gives the JSON form of an event."""
    return _encode(event)


def decode(payload: bytes | str) -> LabelEvent:
    """Gives the event that `payload` holds. Raises `NewerVersion`, or `InvalidEvent` for anything else."""
    try:
        event: LabelEvent = _decode(payload)
    except REFUSALS as error:
        _refuse_newer(payload)
        raise InvalidEvent(f"not a prediction or label: {error}") from error
    if event.v > VERSION:
        raise NewerVersion("a prediction or label", event.v, VERSION)
    _check(event)
    return event


def _refuse_newer(payload: bytes | str) -> None:
    try:
        version = peek_json(payload).v
    except REFUSALS:
        return
    if version > VERSION:
        raise NewerVersion("a prediction or label", version, VERSION)


def _check(event: LabelEvent) -> None:
    if (event.label is None) == (event.value is None):
        raise InvalidEvent(f"request {event.request!r}: expected a label or a value, got both or neither")
    if event.value is not None and not math.isfinite(event.value):
        raise InvalidEvent(f"request {event.request!r}: value: expected a finite number, got {event.value!r}")
    if isinstance(event, Prediction):
        _check_probabilities(event)


def _check_probabilities(event: Prediction) -> None:
    given = event.probabilities
    if given and event.label is None:
        raise InvalidEvent(f"request {event.request!r}: probabilities: expected a label with them, got a value")
    if len(given) > MAX_CLASSES:
        raise InvalidEvent(f"request {event.request!r}: probabilities: at most {MAX_CLASSES} classes, got {len(given)}")
    for name, share in given.items():
        if not 0.0 <= share <= 1.0:
            raise InvalidEvent(f"request {event.request!r}: probabilities: {name}: expected 0 to 1, got {share!r}")
    if sum(given.values()) > 1.0 + _SUM_TOLERANCE:
        raise InvalidEvent(f"request {event.request!r}: probabilities sum to {sum(given.values()):g}, expected 1")
