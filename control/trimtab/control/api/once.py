"""Orders that are given once, however often they are sent: what an `Idempotency-Key` was answered with is remembered.

Remembered in this process, for the newest keys of a day: a client that retries after the server was started again had
better say which revision it means (`If-Match`), as well.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Header
from starlette.responses import Response

from trimtab.control.api.problem import ApiProblem, invalid

REPLAYED: Final = "Idempotency-Replayed"
_MOST: Final = 1_000
_DAY_S: Final = 86_400.0
_KEY: Final = re.compile(r"[!-~]{1,255}")

IdempotencyKey = Annotated[
    str | None,
    Header(description="A text of the client's own for one order: sent again with it, the order is not given again."),
]


@dataclass(slots=True)
class _Known:
    fingerprint: bytes
    began_s: float
    answer: Response | None = None


class Once:
    """What was answered, by who asked and their key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def give(
        self, who: str, key: str | None, fingerprint: bytes, make: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Gives what `make` gives, or gave. Raises the answers 409 while it runs, 422 for another order of that key.

        What ends in an error had no effect that is known of: it may be tried again with the same key.
        """
        if key is None:
            return await make()
        if _KEY.fullmatch(key) is None:
            raise invalid("Idempotency-Key", "expected 1 to 255 visible characters of ASCII")
        self._forget()
        known = self._known.get((who, key))
        if known is not None:
            return _again(known, fingerprint)
        mine = self._known[who, key] = _Known(fingerprint, self._clock())
        try:
            mine.answer = await make()
        finally:
            if mine.answer is None:
                self._known.pop((who, key), None)
        return mine.answer

    def _forget(self) -> None:
        """Makes room; what is under way is kept, as there is never much of it."""
        old_s = self._clock() - _DAY_S
        for place, known in list(self._known.items()):
            if len(self._known) < _MOST and known.began_s > old_s:
                break
            if known.answer is not None:
                del self._known[place]


def _again(known: _Known, fingerprint: bytes) -> Response:
    if known.fingerprint != fingerprint:
        raise invalid("Idempotency-Key", "another order has this key")
    if known.answer is None:
        raise ApiProblem(HTTPStatus.CONFLICT, "the order with this key is under way", headers={"Retry-After": "1"})
    again = Response(known.answer.body, known.answer.status_code, dict(known.answer.headers))
    again.headers[REPLAYED] = "true"
    return again
