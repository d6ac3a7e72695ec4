"""A publisher with a checkpoint of its own: `python -m faults.sequence_publisher KAFKA CHECKPOINT MESSAGES`.

It sends a fixed sequence of messages, ten events each, and writes down after each ten how many the broker has
acknowledged. Started again it goes on from there: what was sent but not written down is sent twice, as two messages.
"""

import sys
import time
from pathlib import Path

from confluent_kafka import Producer

from trimtab.schemas.telemetry import Packer, RoutingKey
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import TELEMETRY

_EVENTS = 10
_TOGETHER = 10
_KEY = RoutingKey("checkout", "v1", "", 1, 1)


def main() -> None:
    kafka, checkpoint, messages = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    producer = Producer({"bootstrap.servers": kafka, "acks": "all", "linger.ms": 0})
    packer = Packer()
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for seq in range(done, messages):
        now_ms = int(time.time() * 1000)
        for _ in range(_EVENTS):
            packer.response(_KEY, now_ms, 12.0, 200)
        batch = packer.finish(publisher="sequence", seq=seq, sent_ms=now_ms)
        producer.produce(TELEMETRY, encode(batch), key=b"sequence")
        if seq % _TOGETHER == _TOGETHER - 1 or seq == messages - 1:
            assert producer.flush(60) == 0
            fresh = checkpoint.with_suffix(".new")
            fresh.write_text(str(seq + 1))
            fresh.replace(checkpoint)


if __name__ == "__main__":
    main()
