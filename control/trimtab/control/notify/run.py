"""All feeds, each in a thread of its own, until a signal or the end of one of them."""

import signal
import threading
from collections.abc import Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaException

from trimtab.control.notify.feed import Feed
from trimtab.control.notify.targets import Target
from trimtab.streams.settings import KafkaSettings

EXIT_FAILED: Final = 1
_STOP_S: Final = 5.0
_log = structlog.get_logger()


def run(kafka: KafkaSettings, targets: Sequence[Target]) -> int:
    """Tells all targets until SIGTERM or SIGINT, and gives the exit code. To be called from the main thread."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    failed: list[str] = []
    threads = [
        threading.Thread(target=_follow, args=(Feed(kafka, target, stopping), target, stopping, failed), daemon=True)
        for target in targets
    ]
    for thread in threads:
        thread.start()
    _log.info("notify_started", targets=[target.name for target in targets])
    stopping.wait()
    for thread in threads:
        thread.join(_STOP_S)
    _log.info("notify_stopped")
    return EXIT_FAILED if failed else 0


def _follow(feed: Feed, target: Target, stopping: threading.Event, failed: list[str]) -> None:
    """Runs a feed. One that fails ends all: a supervisor starts them again, from their checkpoints."""
    try:
        feed.run()
    except KafkaException as error:
        _log.error("notify_failed", target=target.name, error=str(error.args[0]))
        failed.append(target.name)
    finally:
        stopping.set()
