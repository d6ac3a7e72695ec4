"""Sessions of the console: a signed cookie, for a browser's own requests cannot bring a token.

The cookie names somebody of the settings' tokens, until when, and is signed with the digest of their token among it:
it ends with the token. A page cannot read it (HttpOnly), and a browser sends it to nobody else, nor for anybody else's
page (SameSite=Strict).
"""

import hashlib
import hmac
import secrets
import time
from typing import Final

from trimtab.streams.api_settings import ApiSettings, Token

COOKIE: Final = "trimtab_session"
_HOUR_S: Final = 3_600
_PARTS: Final = 3


class Sessions:
    """Makes and reads cookies."""

    def __init__(self, settings: ApiSettings) -> None:
        given = settings.session_key.get_secret_value() if settings.session_key else secrets.token_hex()
        self._key = hashlib.sha256(given.encode()).digest()
        self.life_s = round(settings.session_h * _HOUR_S)

    def cookie(self, token: Token, *, is_secure: bool) -> str:
        """Gives the `Set-Cookie` of a session that begins now."""
        until_s = int(time.time()) + self.life_s
        value = f"{token.actor}!{until_s}!{self._signature(token, until_s)}"
        return f"{COOKIE}={value}; Max-Age={self.life_s}; {_attributes(is_secure=is_secure)}"

    def end(self, *, is_secure: bool) -> str:
        """Gives the `Set-Cookie` that ends a session."""
        return f"{COOKIE}=; Max-Age=0; {_attributes(is_secure=is_secure)}"

    def read(self, value: str, tokens: dict[str, Token]) -> Token | None:
        """Gives whose session it is, of those who may still come (by actor); None where it is nobody's any more."""
        parts = value.split("!")
        token = tokens.get(parts[0])
        if len(parts) != _PARTS or token is None or not (parts[1].isascii() and parts[1].isdigit()):
            return None
        until_s = int(parts[1])
        is_genuine = hmac.compare_digest(parts[2].encode(), self._signature(token, until_s).encode())
        return token if is_genuine and time.time() < until_s else None

    def _signature(self, token: Token, until_s: int) -> str:
        told = "\n".join((token.actor, token.role, token.digest, str(until_s)))
        return hmac.new(self._key, told.encode(), hashlib.sha256).hexdigest()


def _attributes(*, is_secure: bool) -> str:
    return f"Path=/; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
