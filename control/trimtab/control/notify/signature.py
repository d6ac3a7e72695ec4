"""Signatures of notices, in the form of Standard Webhooks (standardwebhooks.com), which has libraries to check them.

What is signed is `ID.TIMESTAMP.BODY`, by HMAC-SHA256: a receiver that refuses old timestamps cannot be sent an old
notice again by somebody else.
"""

import base64
import hmac
from typing import Final

_PREFIX: Final = b"whsec_"


def signed_headers(secret: bytes, notice_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Gives the headers of a notice; without a secret there is no signature among them."""
    headers = {"webhook-id": notice_id, "webhook-timestamp": str(timestamp_s)}
    if secret:
        signed = b".".join((notice_id.encode(), str(timestamp_s).encode(), body))
        digest = hmac.digest(key_of(secret), signed, "sha256")
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def key_of(secret: bytes) -> bytes:
    """Gives the key: what follows `whsec_` is base64, anything else is the key itself."""
    return base64.b64decode(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret
