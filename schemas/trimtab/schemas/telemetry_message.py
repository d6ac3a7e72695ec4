"""Telemetry messages as bytes: what our publishers send, and every form that is read."""

import contextlib
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from trimtab.schemas.errors import InvalidEvent, NewerVersion
from trimtab.schemas.telemetry import ALL_COLUMNS, VERSION, ColumnBatch, Event, RowBatch
from trimtab.schemas.telemetry_columns import pack
from trimtab.schemas.version import REFUSALS, Versioned, peek_json, peek_message_pack

_REQUIRED: Final = ("kind", "key", "time")
_WHITE_SPACE: Final = b" \t\r\n"
"""What JSON may start with, as MessagePack does not."""

_encode = msgspec.msgpack.Encoder().encode
_decode_columns = msgspec.msgpack.Decoder(ColumnBatch).decode
_decode_rows = msgspec.msgpack.Decoder(RowBatch | list[Event]).decode
_decode_json_event = msgspec.json.Decoder(Event).decode
_decode_json_rows = msgspec.json.Decoder(RowBatch).decode
_decode_json_events = msgspec.json.Decoder(list[Event]).decode


class _Shape(msgspec.Struct):
    """Just enough of a JSON object to tell a batch from a single event."""

    events: msgspec.Raw = msgspec.Raw()


_decode_shape = msgspec.json.Decoder(_Shape).decode


class _VersionedRows(Versioned):
    """As much of a batch of rows as tells its version, and its events' versions."""

    events: Sequence[Versioned] = ()


_peek_json_rows = msgspec.json.Decoder(_VersionedRows | list[Versioned]).decode
_peek_rows = msgspec.msgpack.Decoder(_VersionedRows | list[Versioned]).decode


def encode(batch: ColumnBatch) -> bytes:
    """Gives the MessagePack form of a batch of columns."""
    return _encode(batch)


def decode(payload: bytes) -> ColumnBatch:
    """Gives the columns of a telemetry message in any accepted form.

    Raises `NewerVersion` when the message, or an event in it, is of a newer version than this code, and `InvalidEvent`
    when it is not telemetry, or has columns of different lengths. That each cell makes sense is for the fold to check,
    event by event.
    """
    try:
        batch = _decode_any(payload)
    except REFUSALS as error:
        _refuse_newer(_peek(payload))
        raise InvalidEvent(f"not a telemetry message: {error}") from error
    if isinstance(batch, list):
        batch = RowBatch(events=batch)
    if isinstance(batch, RowBatch):
        _refuse_newer(_newest(batch))
        return pack(batch.events, publisher=batch.publisher, seq=batch.seq, sent_ms=batch.sent_ms)
    _refuse_newer(batch.v)
    _check_lengths(batch)
    return batch


def _refuse_newer(version: int) -> None:
    if version > VERSION:
        raise NewerVersion("a telemetry message", version, VERSION)


def _newest(rows: RowBatch | _VersionedRows) -> int:
    return max([rows.v, *[event.v for event in rows.events if event.v > VERSION]])


def _peek(payload: bytes) -> int:
    """Gives the version of a message that this code cannot decode; 0 where it tells none."""
    is_json = payload.lstrip(_WHITE_SPACE)[:1] in (b"[", b"{")
    for peek in (_peek_json_rows, peek_json) if is_json else (_peek_rows, peek_message_pack):
        with contextlib.suppress(*REFUSALS):
            found = peek(payload)
            rows = _VersionedRows(events=found) if isinstance(found, list) else found
            return _newest(rows) if isinstance(rows, _VersionedRows) else rows.v
    return 0


def _decode_any(payload: bytes) -> ColumnBatch | RowBatch | list[Event]:
    first = payload.lstrip(_WHITE_SPACE)[:1]
    if first == b"[":
        return _decode_json_events(payload)
    if first == b"{":
        return _decode_json_object(payload)
    return _decode_columns(payload) if b"\xa6format\xa7columns" in payload else _decode_rows(payload)


def _decode_json_object(payload: bytes) -> RowBatch | list[Event]:
    if b'"events"' in payload:  # so it is a batch, unless that stands somewhere within it
        with contextlib.suppress(msgspec.ValidationError):
            return _decode_json_rows(payload)
    is_batch = _decode_shape(payload).events != msgspec.Raw()
    return _decode_json_rows(payload) if is_batch else [_decode_json_event(payload)]


def _check_lengths(batch: ColumnBatch) -> None:
    for name, code in ALL_COLUMNS:
        size, expected = len(getattr(batch, name)), batch.count * array(code).itemsize
        if size != expected and (size or name in _REQUIRED):
            raise InvalidEvent(f"column {name}: {size} bytes, expected {expected} for {batch.count} events")
