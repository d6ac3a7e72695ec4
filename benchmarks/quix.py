"""The same windowed aggregation on quixstreams, which `benchmarks.throughput` compares with.

`python quix.py KAFKA TOPIC MESSAGES FORM`, in an environment of its own (pins of confluent-kafka collide): tumbling
windows of one second per (release, variant) of count, errors, sum of durations and a latency histogram with the buckets
of our sketch, kept in its state store (RocksDB, no changelog topic). FORM is one of

* `events`: one JSON event a message, keyed by release and variant;
* `batches`: our column batches, taken apart into events (`expand`), which the window of the batch's publisher adds up
  by release and variant;
* `numpy`: our column batches, each summed by NumPy in the user's function, the window merging those sums. What is left
  to the library then is one step a batch.

It prints `took SECONDS`, from the first message handled to the last.
"""

import contextlib
import logging
import math
import sys
import tempfile
import time
from typing import Any

import msgspec
import numpy as np
from quixstreams import Application

_GROWTH = math.log(1.01 / 0.99)
_ERROR_STATUS = 500
_WIDTH = 2_048

Pane = dict[str, Any]


def bucket_of(duration_us: float) -> int:
    """Gives the bucket of a duration, about as our sketch does."""
    return math.ceil(math.log(max(duration_us, 10.0) / 10.0) / _GROWTH)


def begin(event: Pane) -> Pane:
    """Gives the window of a first event."""
    return add({"count": 0, "errors": 0, "duration_us": 0.0, "sketch": {}}, event)


def add(pane: Pane, event: Pane) -> Pane:
    """Adds an event to a window."""
    duration_us = event["duration_ms"] * 1000
    pane["count"] += 1
    pane["errors"] += event["status"] >= _ERROR_STATUS
    pane["duration_us"] += duration_us
    bucket = str(bucket_of(duration_us))
    pane["sketch"][bucket] = pane["sketch"].get(bucket, 0) + 1
    return pane


def events(payload: bytes) -> list[Pane]:
    """Takes a batch apart."""
    batch = msgspec.msgpack.decode(payload)
    names = [f"{names[0]}|{names[1]}" for names in batch["keys"]]
    cells = zip(
        np.frombuffer(batch["key"], "<u2").tolist(), np.frombuffer(batch["duration_us"], "<u4").tolist(),
        np.frombuffer(batch["status"], "<u2").tolist(), strict=True,
    )  # fmt: skip
    return [{"name": names[key], "duration_ms": us / 1000, "status": status} for key, us, status in cells]


def add_named(panes: dict[str, Pane], event: Pane) -> dict[str, Pane]:
    """Adds an event to the window of its publisher."""
    known = panes.get(event["name"])
    panes[event["name"]] = begin(event) if known is None else add(known, event)
    return panes


def partials(payload: bytes) -> dict[str, list[Any]]:
    """Gives count, errors, sum of durations and histogram of each release and variant in a batch."""
    batch = msgspec.msgpack.decode(payload)
    key = np.frombuffer(batch["key"], "<u2")
    duration_us = np.frombuffer(batch["duration_us"], "<u4")
    is_error = np.frombuffer(batch["status"], "<u2") >= _ERROR_STATUS
    n = len(batch["keys"])
    count, errors = np.bincount(key, minlength=n), np.bincount(key, weights=is_error, minlength=n)
    total = np.bincount(key, weights=duration_us, minlength=n)
    bucket = np.ceil(np.log(np.maximum(duration_us, 10) / 10.0) / _GROWTH).astype(np.int64)
    sketch = np.bincount(key.astype(np.int64) * _WIDTH + bucket, minlength=n * _WIDTH).reshape(n, _WIDTH)
    result: dict[str, list[Any]] = {}
    for index, names in enumerate(batch["keys"]):
        used = np.nonzero(sketch[index])[0]
        counts = dict(zip(map(str, used.tolist()), sketch[index][used].tolist(), strict=True))
        result[f"{names[0]}|{names[1]}"] = [int(count[index]), int(errors[index]), float(total[index]), counts]
    return result


def merge(panes: dict[str, list[Any]], more: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Adds the partial results of a batch to a window."""
    for name, (count, errors, total, sketch) in more.items():
        pane = panes.setdefault(name, [0, 0, 0.0, {}])
        pane[0] += count
        pane[1] += errors
        pane[2] += total
        for bucket, n in sketch.items():
            pane[3][bucket] = pane[3].get(bucket, 0) + n
    return panes


class Clock:
    """When the first and the last message were handled."""

    def __init__(self) -> None:
        self.first_s = 0.0
        self.last_s = 0.0

    def tick(self, *_: object) -> None:
        """Takes note of a message."""
        self.last_s = time.perf_counter()
        self.first_s = self.first_s or self.last_s


def main() -> None:
    """Handles as many messages as there are, and ends."""
    kafka, topic_name, messages, form = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    logging.disable(logging.CRITICAL)
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="trimtab-quix-") as folder:
        app = Application(
            kafka, consumer_group=f"quix-{form}", auto_offset_reset="earliest", state_dir=folder,
            use_changelog_topics=False, auto_create_topics=False, loglevel=None, on_message_processed=clock.tick,
        )  # fmt: skip
        is_batch = form != "events"
        topic = app.topic(topic_name, value_deserializer="bytes" if is_batch else "json", key_deserializer="bytes")
        frame = app.dataframe(topic)
        if form == "batches":
            window = frame.apply(events, expand=True).tumbling_window(1000)
            window.reduce(add_named, lambda first: add_named({}, first)).final()
        elif form == "numpy":
            frame.apply(partials).tumbling_window(1000).reduce(merge, lambda first: merge({}, first)).final()
        else:
            frame.tumbling_window(1000).reduce(add, begin).final()
        with contextlib.suppress(KeyboardInterrupt):
            app.run(count=messages, timeout=20, collect=False)
    print(f"took {clock.last_s - clock.first_s:.3f}", flush=True)


if __name__ == "__main__":
    main()
