"""Bringing a notice to a target: tried again with growing pauses, until it is taken or given up."""

import http.client
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

import structlog

from trimtab.control.notify.notice import Notice
from trimtab.control.notify.payload import body_of
from trimtab.control.notify.signature import signed_headers
from trimtab.control.notify.targets import Target

_TRY_LATER: Final = (408, 425, 429)
"""Refusals that are worth another try; any other one below 500 will not be taken the next time either."""
_SERVER_ERROR: Final = 500
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Untaken:
    """Why a target did not take a notice."""

    reason: str
    is_final: bool
    """whether another try is of no use"""
    after_s: float = 0.0
    """how long the target asks us to wait; 0 where it does not say"""


class Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is signed goes where the file says, and nowhere else."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        """Gives no request for a redirect."""
        return


class Courier:
    """Brings notices to one target, one at a time. Gives up waiting once `stopping` is set."""

    def __init__(self, target: Target, stopping: threading.Event) -> None:
        self._target, self._stopping = target, stopping
        self._secret = target.secret()
        self._opener = urllib.request.build_opener(Straight())

    def bring(self, notice: Notice) -> Untaken | None:
        """Gives None once the notice is taken, or why it is given up; also when told to stop, which is not final."""
        body, retry = body_of(notice, self._target.format), self._target.retry
        pause_s, untaken = retry.first / 1000, Untaken("told to stop", is_final=False)
        for attempt in range(1, retry.tries + 1):
            found = self._try(notice, body)
            if found is None:
                _log.info("notice_delivered", target=self._target.name, notice=notice.id, kind=str(notice.kind))
                return None
            if found.is_final or attempt == retry.tries:
                return Untaken(found.reason, is_final=True)
            wait_s = min(max(pause_s, found.after_s), retry.longest / 1000)
            _log.warning(
                "notice_untaken", target=self._target.name, notice=notice.id, reason=found.reason, retry_s=wait_s
            )
            if self._stopping.wait(wait_s):
                return untaken
            pause_s *= 2
        return untaken

    def _try(self, notice: Notice, body: bytes) -> Untaken | None:
        headers = signed_headers(self._secret, notice.id, int(time.time()), body)
        request = urllib.request.Request(  # noqa: S310 - http and https alone: `Target` has checked it
            self._target.url, body, {"Content-Type": "application/json", "User-Agent": "trimtab", **headers}
        )
        try:
            with self._opener.open(request, timeout=self._target.timeout / 1000):
                return None
        except urllib.error.HTTPError as error:
            with error:
                is_final = error.code < _SERVER_ERROR and error.code not in _TRY_LATER
                return Untaken(f"HTTP {error.code}", is_final, _after_s(error))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            return Untaken(str(reason) or type(error).__name__, is_final=False)


def _after_s(error: urllib.error.HTTPError) -> float:
    """Gives the seconds that `Retry-After` asks for; 0 for anything else, dates included."""
    told = str(error.headers.get("Retry-After", ""))
    return float(told) if told.isascii() and told.isdigit() else 0.0
