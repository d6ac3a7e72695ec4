"""What came of requests, told by whoever learns it: by the token that travelled along, or by the request's id."""

import threading
from collections import OrderedDict

from trimtab.client.assign import Assignment
from trimtab.client.telemetry import Telemetry
from trimtab.client.token import Attribution, read_token
from trimtab.schemas.errors import InvalidEvent


class Outcome:
    """Tells outcomes to `telemetry`. Safe for threads and coroutines, never waits for IO, and never raises.

    What cannot be attributed is counted in `unknown`: a text that is no token, or an id that is not remembered. Ids are
    remembered within this process, the last `remembered` of them.
    """

    def __init__(self, telemetry: Telemetry, *, remembered: int = 100_000) -> None:
        if remembered < 1:
            raise ValueError(f"remembered: expected at least 1, got {remembered}")
        self._telemetry, self._room = telemetry, remembered
        self._requests: OrderedDict[str, Attribution] = OrderedDict()
        self._lock = threading.Lock()
        self.unknown = 0
        """outcomes that nothing is known of the request of"""

    def remember(self, assignment: Assignment) -> None:
        """Lets `by_request` know the request; one that takes no part in a release is not remembered."""
        if not assignment.takes_part:
            return
        request = assignment.request
        with self._lock:
            self._requests[request] = Attribution(assignment.key, assignment.started_ms, request)
            self._requests.move_to_end(request)
            if len(self._requests) > self._room:
                self._requests.popitem(last=False)

    def by_token(self, token: str, metric: str, value: float = 1.0, *, time_ms: int | None = None) -> bool:
        """Tells what came of the request that was given `token`; False where that is no token.

        An outcome that is told again is known as the same one.
        """
        try:
            attribution = read_token(token)
        except InvalidEvent:
            return self._miss()
        self._tell(attribution, metric, value, time_ms)
        return True

    def by_request(self, request: str, metric: str, value: float = 1.0, *, time_ms: int | None = None) -> bool:
        """Tells what came of the request of this id; False where that is not remembered."""
        with self._lock:
            # What has no hash is no text either.
            attribution = self._requests.get(request) if isinstance(request, str) else None
        if attribution is None:
            return self._miss()
        self._tell(attribution, metric, value, time_ms)
        return True

    def _tell(self, of: Attribution, metric: str, value: float, time_ms: int | None) -> None:
        self._telemetry.outcome(of.key, metric, value, time_ms=time_ms, started_ms=of.started_ms, request=of.request)

    def _miss(self) -> bool:
        with self._lock:
            self.unknown += 1
        return False
