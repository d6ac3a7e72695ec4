"""What joining labels costs: a partition of predictions and labels through the join and its table, without Kafka.

As many requests are open as a label takes to come, at `--rate` labels a second, up to `--open`.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Final

from trimtab.schemas.label import Label, Prediction, encode
from trimtab.streams.labels.join import Join, Message, outcomes_of
from trimtab.streams.labels.open_requests import OpenRequests

_START_S: Final = 1_700_000_000
_BATCH: Final = 2_000
_MILLION: Final = 1_000_000
_LABELS: Final = 100_000

Figures = dict[str, object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--open", type=int, default=_MILLION, help="requests that wait for their label")


def measure(options: argparse.Namespace) -> Figures:
    """Gives CPU of a label with its prediction, labels a second of one core, and what a million open requests take."""
    with tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
        file = Path(folder) / "labels.db"
        table = OpenRequests(file)
        join = Join(table, 3_600)
        offset = _fill(join, options.open)
        rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = sum(one.stat().st_size for one in Path(folder).iterdir())
        began_s = time.process_time()
        joined = _run(join, offset, options.open)
        took_s = time.process_time() - began_s
        table.close()
    return {
        "open": options.open, "labels": joined, "us_per_label": round(took_s / joined * 1e6, 1),
        "labels_per_s": round(joined / took_s),
        "mib_on_disk_per_million": round(size / 2**20 / options.open * _MILLION), "rss_mib": round(rss_mib),
    }  # fmt: skip


def _prediction(number: int) -> bytes:
    return encode(
        Prediction(
            request=f"{number:016x}-0f3c", release="fraud", variant="v2", era=1, revision=9, time_ms=_START_S * 1000,
            label="no", probabilities={"no": 0.8, "yes": 0.2},
        )
    )  # fmt: skip


def _label(number: int) -> bytes:
    return encode(Label(request=f"{number:016x}-0f3c", time_ms=_START_S * 1000, label="no"))


def _fill(join: Join, count: int) -> int:
    for start in range(0, count, _BATCH):
        stop = min(count, start + _BATCH)
        join.take([Message(0, number, _START_S, _prediction(number)) for number in range(start, stop)])
        join.keep()
    return count


def _run(join: Join, offset: int, count: int) -> int:
    """Each batch labels requests of long ago and brings as many new predictions."""
    joined = 0
    stride = max(1, count // _LABELS)
    numbers = [(place * 7_919 * stride) % count for place in range(min(_LABELS, count))]
    numbers = list(dict.fromkeys(numbers))
    for start in range(0, len(numbers), _BATCH // 2):
        part = numbers[start : start + _BATCH // 2]
        payloads = [_label(number) for number in part] + [_prediction(offset + at) for at in range(len(part))]
        messages = [Message(0, offset + at, _START_S + 60, payload) for at, payload in enumerate(payloads)]
        offset += len(payloads)
        for pair in join.take(messages):
            joined += bool(outcomes_of(pair, join.counts, _START_S * 1000))
        join.keep()
    return joined
