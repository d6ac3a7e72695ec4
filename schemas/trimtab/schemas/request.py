"""Numbers of requests: what tells the outcomes of one request from those of others, in every language.

The number of an id is the first 53 bits of its BLAKE2b digest of 8 bytes, read as a big-endian integer: what every
language's JSON reads exactly. Two of a million requests have the same number once in 18,000 times.
"""

from hashlib import blake2b
from typing import Final

_DIGEST_BYTES: Final = 8
_DROPPED_BITS: Final = 64 - 53


def request_number(request: str) -> int:
    """Gives the number of a request by its id, such as the `x-request-id` that a proxy adds; 0 for an empty one.

    >>> request_number("6f0d3c1e"), request_number("")
    (649175086210373, 0)
    """
    if not request:
        return 0
    digest = blake2b(str.encode(request, errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
    return (int.from_bytes(digest, "big") >> _DROPPED_BITS) or 1
