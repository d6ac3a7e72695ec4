"""A publisher under whose events a worker is disturbed."""

import random
import threading
import time
from collections import Counter

from trimtab.client import RoutingKey, Telemetry

_RATE = 1_000


class Publisher:
    """Publishes in its own thread until told to stop: events on time, late ones, and ones of a release unknown."""

    def __init__(self, kafka: str, seed: int) -> None:
        self.sent: Counter[str] = Counter()
        self._draws = random.Random(seed)
        self._stop = threading.Event()
        self._telemetry = Telemetry(kafka, publisher=f"publisher-{seed}")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        started_s, number = time.monotonic(), 0
        while not self._stop.wait(max(0.0, started_s + number / _RATE - time.monotonic())):
            number += 1
            kind = self._draws.choices(["timely", "late", "unknown"], [0.96, 0.02, 0.02])[0]
            self._send(kind, self._draws.choice(["v1", "v2"]))

    def _send(self, kind: str, variant: str) -> None:
        now_ms = int(time.time() * 1000) - (30_000 if kind == "late" else 0)
        key = RoutingKey("nobody-knows" if kind == "unknown" else "checkout", variant, "", 1, 1)
        match self._draws.randrange(3):
            case 0:
                self._telemetry.request(key, now_ms)
            case 1:
                self._telemetry.response(key, self._draws.uniform(1, 90), 200, time_ms=now_ms)
            case _:
                self._telemetry.outcome(key, "bought", 1.0, time_ms=now_ms)
        self.sent[kind] += 1

    def stop(self, *, may_drop: bool = False) -> None:
        """Sends what is left. Fails where not all was published or, after a long outage, counted as dropped."""
        self._stop.set()
        self._thread.join()
        assert self._telemetry.flush(60)
        stats = self._telemetry.stats
        self._telemetry.close()
        assert (stats.published + stats.dropped, stats.invalid) == (self.sent.total(), 0)
        assert may_drop or stats.dropped == 0, stats

    def abandon(self) -> None:
        """Stops without sending what is left."""
        self._stop.set()
        self._thread.join()
        self._telemetry.close(0)
