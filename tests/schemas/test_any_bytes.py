"""Whatever stands on a topic or under a key: decoders give a record, or the error that they document."""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.records import SAMPLES, Sample, title
from schemas.release_text import CANARY, FULL
from trimtab.schemas import audit, dead_letter, decision, evidence, release_file, sidecar, telemetry_message, worker
from trimtab.schemas.errors import InvalidEvent, InvalidRecord, InvalidRelease, Problem
from trimtab.schemas.release import Release, parse_document

DECODERS: dict[str, tuple[Callable[[bytes], Any], type[Exception]]] = {
    "telemetry": (telemetry_message.decode, InvalidEvent),
    "evidence": (evidence.decode, InvalidRecord),
    "decision": (decision.decode_decision, InvalidRecord),
    "weights": (decision.decode_weights, InvalidRecord),
    "audit entry": (audit.decode, InvalidRecord),
    "dead letter": (dead_letter.decode, InvalidRecord),
    "sidecar report": (sidecar.decode, InvalidRecord),
    "worker report": (worker.decode, InvalidRecord),
    "release document": (parse_document, ValidationError),
}

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8)
    | st.sampled_from(["panes", "tick", "spec", "command", "columns", "request", "response", "outcome", "progressing"])
)  # fmt: skip
NAMES = st.sampled_from(
    sorted({name for sample in SAMPLES if isinstance(sample.plain, dict) for name in sample.plain} | {"t", "events"})
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)
DEEP = 100_000


def is_read_or_refused(name: str, payload: bytes) -> None:
    decode, documented = DECODERS[name]
    with contextlib.suppress(documented):
        decode(payload)


@pytest.mark.parametrize("name", DECODERS)
@given(payload=st.binary(max_size=200))
@example(payload=b"")
@example(payload=b"\xef\xbb\xbf{}")
@example(payload=b"\xff" * 100)
@example(payload=b"\x00")
@example(payload=b"[" * DEEP)
@example(payload=b'{"events":' + b"[" * DEEP + b"]" * DEEP + b"}")
@example(payload=b'{"v":' * DEEP)
@example(payload=b"\x91" * DEEP + b"\xc0")
@example(payload=b"\x81\xa1v" * DEEP + b"\x02")
@example(payload=b"\x81\xa6events" + b"\x91" * DEEP + b"\xc0")
@example(payload=b'{"v":1e999}')
@example(payload=b'{"v":' + b"9" * 5_000 + b"}")
@example(payload=b"\xdd\xff\xff\xff\xff")
@example(payload=b"\xdf\xff\xff\xff\xff")
@example(payload=b"\xc6\xff\xff\xff\xff")
@example(payload=b'{"release":"\xff"}')
@example(payload=b'{"release":"\\ud800"}')
def test_any_bytes_are_read_or_refused(name: str, payload: bytes) -> None:
    is_read_or_refused(name, payload)


@pytest.mark.parametrize("name", DECODERS)
@given(value=VALUES)
def test_any_value_in_either_form_is_read_or_refused(name: str, value: object) -> None:
    is_read_or_refused(name, msgspec.msgpack.encode(value))
    is_read_or_refused(name, msgspec.json.encode(value))


@pytest.mark.parametrize("sample", SAMPLES, ids=title)
@given(data=st.data())
def test_a_record_with_any_field_replaced_is_read_or_refused(sample: Sample, data: st.DataObject) -> None:
    plain = sample.plain
    part = plain[0] if isinstance(plain, list) else plain
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(VALUES)
    payload = sample.encode(plain)
    for name in DECODERS:
        is_read_or_refused(name, payload)


@pytest.mark.parametrize("sample", SAMPLES, ids=title)
@given(data=st.data())
def test_a_damaged_record_is_read_or_refused(sample: Sample, data: st.DataObject) -> None:
    payload = sample.payload
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(payload))] * 2)))
    damaged = payload[:start] + data.draw(st.binary(max_size=8)) + payload[stop:]
    for name in DECODERS:
        is_read_or_refused(name, damaged)


def loaded(text: str) -> tuple[list[Release], list[Problem] | None]:
    """The releases of a file, or its mistakes."""
    try:
        return release_file.load(text, "release.yaml"), None
    except InvalidRelease as error:
        return [], error.problems


@given(st.text(max_size=300))
@example("")
@example("\ud800")
@example("\0")
@example("[" * 5_000)
@example("&a [*a]")
@example("a: &a\n  <<: *a")
@example("!!python/object/apply:os.system [exit]")
@example("? {}\n: 1")
@example("---\n---\n")
@example("1: 2\n[]: 3")
@example(f"{CANARY}---\n{{}}")
def test_any_text_is_a_release_file_or_refused_with_every_mistake(text: str) -> None:
    releases, problems = loaded(text)
    assert releases or problems


@given(st.data())
def test_a_damaged_release_file_is_read_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([CANARY, FULL]))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    damaged = text[:start] + data.draw(st.text(max_size=8)) + text[stop:]
    releases, problems = loaded(damaged)
    assert releases or problems
