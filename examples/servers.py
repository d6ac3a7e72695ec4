"""Kafka and Redis for trying things out: in memory, on free ports of this machine, gone when this program ends.

    python examples/servers.py

It prints the addresses as shell variables, which every `trimtab` command reads.
"""

# ruff: noqa: T201 - a program that prints

import signal
import threading

from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.layout import embedded_topics


def main() -> None:
    """Serves until it is told to stop (Ctrl-C, SIGTERM)."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with EmbeddedKafka(embedded_topics()) as kafka, EmbeddedRedis() as redis:
        print(f"export TRIMTAB_KAFKA__BOOTSTRAP={kafka.bootstrap}\nexport TRIMTAB_REDIS__URL={redis.url}", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
