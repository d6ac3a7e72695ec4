"""Telemetry at a steady rate, for a bounded time: `python -m benchmarks.feed KAFKA RATE SECONDS RELEASES PARTITIONS`.

Messages of 500 events, releases mixed evenly within each, three variants a release. Batches are packed beforehand and
sent with their times moved to now, so that the feed costs little beside what it feeds. It prints `sent N`, the number
of events, when the broker has all of them; what could not be sent in time is an error.
"""

import random
import sys
import time
from typing import Final

import msgspec
from confluent_kafka import Producer

from trimtab.schemas.telemetry import ColumnBatch, Packer, RoutingKey
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import TELEMETRY

EVENTS: Final = 500
VARIANTS: Final = ("v1", "v2", "v3")
_POOL: Final = 400
_SEED: Final = 1
_ERROR_RATIO: Final = 0.01
_FLUSH_S: Final = 30.0


def release_name(number: int) -> str:
    """Gives the name of a release of the feed."""
    return f"release-{number}"


def pool(releases: int) -> list[ColumnBatch]:
    """Gives batches to send in turns, whose events lie within the 50 ms before they are sent."""
    draws = random.Random(_SEED)
    packer = Packer()
    keys = [RoutingKey(release_name(number), variant, "", 1, 1) for number in range(releases) for variant in VARIANTS]
    batches = []
    for seq in range(_POOL):
        for event in range(EVENTS):
            status = 500 if draws.random() < _ERROR_RATIO else 200
            packer.response(draws.choice(keys), event // 10, draws.lognormvariate(3.0, 0.5), status, size=512)
        batches.append(packer.finish(publisher="feed", seq=seq, sent_ms=0))
    return batches


def main() -> int:
    """Sends until the time is over."""
    kafka, rate, seconds, releases, partitions = sys.argv[1], *map(int, sys.argv[2:6])
    batches = pool(releases)
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5, "acks": "all"})
    print("feeding", flush=True)
    start_s, messages = time.monotonic(), rate * seconds // EVENTS
    for number in range(messages):
        time.sleep(max(0.0, start_s + number * EVENTS / rate - time.monotonic()))
        now_ms = int(time.time() * 1000)
        batch = msgspec.structs.replace(batches[number % len(batches)], sent_ms=now_ms, base_ms=now_ms - 50)
        producer.produce(TELEMETRY, encode(batch), partition=number % partitions)
        producer.poll(0)
    if producer.flush(_FLUSH_S):
        print("the broker did not take everything", flush=True)
        return 1
    print(f"sent {messages * EVENTS}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
