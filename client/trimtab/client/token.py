"""Attribution tokens: where and when a request was routed, as one short text that travels with it.

Base64 for URLs of a MessagePack array: release, variant, segment, era, revision, milliseconds, id of the request. It is
no secret and no proof: whoever can send outcomes can write one.
"""

import base64
import binascii
from typing import Final, NamedTuple

import msgspec

from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.telemetry import RoutingKey, Whole

_MAX_LENGTH: Final = 1_024


class _Token(msgspec.Struct, frozen=True, array_like=True):
    release: str
    variant: str
    segment: str
    era: Whole
    revision: Whole
    started_ms: Whole
    request: str


class Attribution(NamedTuple):
    """What a token says."""

    key: RoutingKey
    started_ms: int
    """when the request was routed"""
    request: str
    """its id"""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Token).decode


def token_of(of: Attribution) -> str:
    """Gives the token of a request that was routed so.

    >>> token_of(Attribution(RoutingKey("checkout", "v2", "", 1, 7), 1_767_225_600_000, "r-1"))
    'l6hjaGVja291dKJ2MqABB88AAAGbdtqoAKNyLTE'
    """
    key = of.key
    packed = _encode(_Token(key.release, key.variant, key.segment, key.era, key.revision, of.started_ms, of.request))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_token(text: str) -> Attribution:
    """Gives what a token says. Raises `InvalidEvent` for anything else, such as the header that was not there."""
    if not isinstance(text, str):
        raise InvalidEvent(f"token: expected text, got {type(text).__name__}")
    if len(text) > _MAX_LENGTH:
        raise InvalidEvent(f"token: expected at most {_MAX_LENGTH} characters, got {len(text)}")
    try:
        packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        read = _decode(packed)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise InvalidEvent(f"not an attribution token: {text!r:.80}") from error
    return Attribution(
        RoutingKey(read.release, read.variant, read.segment, read.era, read.revision), read.started_ms, read.request
    )
