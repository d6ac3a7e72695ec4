"""All feeds and askers, each in a thread of its own, until a signal or the end of a feed."""

import signal
import threading
from typing import Final

import structlog
from confluent_kafka import KafkaException

from trimtab.control.notify.asker import Asker
from trimtab.control.notify.feed import Feed
from trimtab.control.notify.targets import Target, Targets
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.streams.settings import KafkaSettings

EXIT_FAILED: Final = 1
_STOP_S: Final = 5.0
_log = structlog.get_logger()


def run(kafka: KafkaSettings, redis: RedisConnection, found: Targets) -> int:
    """Tells all targets and asks all hooks until SIGTERM or SIGINT, and gives the exit code.

    To be called from the main thread.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    failed: list[str] = []
    threads = [
        threading.Thread(target=_follow, args=(Feed(kafka, target, stopping), target, stopping, failed), daemon=True)
        for target in found.targets
    ]
    threads += [threading.Thread(target=Asker(kafka, redis, hook, stopping).run, daemon=True) for hook in found.hooks]
    for thread in threads:
        thread.start()
    hooks = [hook.name for hook in found.hooks]
    _log.info("notify_started", targets=[target.name for target in found.targets], hooks=hooks)
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
