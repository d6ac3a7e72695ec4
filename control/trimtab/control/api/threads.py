"""Blocking clients of Kafka and Redis, off the event loop, and never more of them than there is room for."""

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from trimtab.control.kafka_log import KafkaLog
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.kafka_connection import KafkaConnection

_READERS: Final = 8
_LOGS: Final = 4
_KAFKA_S: Final = 10.0

T = TypeVar("T")


class Threads:
    """Threads for reads, and readers of Kafka that are kept for the next who needs one."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._reads = ThreadPoolExecutor(_READERS, "read")
        self._of_kafka = ThreadPoolExecutor(_LOGS, "kafka")
        # One, so that files that take long to parse wait for each other, and reads for none of them.
        self._parses = ThreadPoolExecutor(1, "parse")
        self._logs: queue.SimpleQueue[KafkaLog] = queue.SimpleQueue()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Gives what a blocking function gives."""
        return await asyncio.get_running_loop().run_in_executor(self._reads, partial(function, *arguments))

    async def parse(self, function: Callable[..., T], *arguments: object) -> T:
        """Gives what a function makes of what somebody sent: a file of 200 KB takes a second or two."""
        return await asyncio.get_running_loop().run_in_executor(self._parses, partial(function, *arguments))

    async def read_kafka(self, function: Callable[[KafkaLog], T]) -> T:
        """Gives what a function makes of topics; what it reads has to be read at its end."""
        return await asyncio.get_running_loop().run_in_executor(self._of_kafka, self._with_log, function)

    def close(self) -> None:
        """Ends the threads once they are through."""
        for executor in (self._reads, self._of_kafka, self._parses):
            executor.shutdown(wait=True, cancel_futures=True)
        while not self._logs.empty():
            self._logs.get_nowait().__exit__(None, None, None)

    def _with_log(self, function: Callable[[KafkaLog], T]) -> T:
        try:
            log = self._logs.get_nowait()
        except queue.Empty:
            log = KafkaLog(self._kafka, _KAFKA_S)
        try:
            found = function(log)
        except Unreachable:  # whatever it is, the next one begins with a new connection
            log.__exit__(None, None, None)
            raise
        except BaseException:
            self._logs.put(log)
            raise
        self._logs.put(log)
        return found
