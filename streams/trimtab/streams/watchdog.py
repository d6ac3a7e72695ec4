"""The watchdog: a worker that the group has lost does not come back by itself, so it has to end."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import faust

from trimtab.schemas.errors import TrimtabError

_LOOK_S: Final = 0.25


class Abandoned(TrimtabError):
    """The consumer group gave this worker nothing, or Faust gave up, so that a restart is needed."""


class Watchdog:
    """Watches that the worker takes part in its consumer group."""

    def __init__(self, app: faust.App, patience_s: float, answers: Callable[[], bool] = lambda: True) -> None:
        """`answers`: whether Kafka does; while it is away nobody can be given anything, and waiting is right."""
        self._app = app
        self._answers = answers
        self._patience_s = patience_s
        self._joined_s: float | None = None
        self._waited_s = 0.0
        self.assignments = 0
        """times that the group has given this worker its part: once at its start, and once a rebalance"""
        app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)

    @property
    def is_assigned(self) -> bool:
        """Whether the group has given this worker its part (which may be none, for a spare)."""
        return self._joined_s is not None

    async def _on_assigned(self, *_args: object, **_kwargs: object) -> None:
        self._joined_s, self._waited_s = time.monotonic(), 0.0
        self.assignments += 1

    async def _on_revoked(self, *_args: object, **_kwargs: object) -> None:
        self._joined_s, self._waited_s = None, 0.0

    async def watch(self) -> None:
        """Returns never; raises `Abandoned` when patience is over, or when Faust has stopped or crashed."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._app.crashed or self._app.should_stop:
                raise Abandoned(f"faust has stopped: {self._app.crash_reason!r}")
            self._check_membership()
            if self._joined_s is None and self._answers():
                self._waited_s += _LOOK_S
            if self._waited_s > self._patience_s:
                raise Abandoned(f"no assignment for {self._waited_s:.0f} s, allowed {self._patience_s:.0f} s")

    def _check_membership(self) -> None:
        if self._app.consumer_was_superseded:
            name = self._app.conf.consumer_group_instance_id
            raise Abandoned(
                f"the group no longer knows this worker as kafka.instance {name!r}: another worker has started with"
                " that name, or this one was silent for longer than kafka.session_timeout_s; names have to differ"
            )
