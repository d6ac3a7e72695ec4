"""What librdkafka has to say, as a few warnings of the standard logging."""

import logging
import threading
import time
from typing import Final

_LOG: Final = logging.getLogger("trimtab.client")
_EVERY_S: Final = 30.0


class BrokerLog:
    """A logger for librdkafka: it repeats itself many times a second while a broker is away.

    Passes one line each 30 s on, as a warning, with the number of those that it kept back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._kept_back = 0

    def log(self, _level: int, form: str, *values: object) -> None:
        """Takes one line, in the form of `logging.Logger.log`."""
        with self._lock:
            now_s = time.monotonic()
            if now_s < self._next_s:
                self._kept_back += 1
                return
            self._next_s, kept_back, self._kept_back = now_s + _EVERY_S, self._kept_back, 0
        _LOG.warning("kafka_client_warned kept_back=%d text=%r", kept_back, form % values)
