"""Bearer tokens (OAuth 2.0) in a file that somebody else keeps fresh."""

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LIFE_S: Final = 300.0
"""Of a token that does not tell its own: it is read again after that."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token, when it ends (seconds since 1970) and whom it speaks for."""

    value: str = field(repr=False)
    expiry_s: float
    subject: str


def read_token(path: Path) -> BearerToken:
    """Gives the token that stands in `path` now. Raises `OSError`, or `ValueError` for an empty file."""
    value = path.read_text(encoding="utf-8").strip()
    if not value:
        raise ValueError(f"{path}: expected a token, found an empty file")
    return as_token(value)


def as_token(value: str) -> BearerToken:
    """Gives the token with what its claims tell; one that is no JWT is taken to last for five minutes."""
    claims = _claims(value)
    told = claims.get("exp")
    expiry_s = float(told) if isinstance(told, (int, float)) else time.time() + _LIFE_S
    return BearerToken(value, expiry_s, str(claims.get("sub") or ""))


def _claims(value: str) -> dict[str, object]:
    parts = value.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7519: header, claims, signature
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
