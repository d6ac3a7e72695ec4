"""The sidecar of a proxy that is told weights and tells nothing, as a program."""

import asyncio
import signal
from typing import Final

import structlog

from trimtab.sidecar.follower import Bring, Follower, FollowerOptions

EXIT_REFUSED: Final = 1
"""The cache is no folder."""

_log = structlog.get_logger()


def run(options: FollowerOptions, bring: Bring) -> int:
    """Brings weights until SIGTERM or SIGINT, and gives the exit code. To be called from the main thread."""
    return asyncio.run(_serve(options, bring))


async def _serve(options: FollowerOptions, bring: Bring) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        follower = Follower(options, bring)
    except OSError as error:
        _log.error("sidecar_refused", sidecar=options.id, reason=str(error))
        return EXIT_REFUSED
    _log.info("sidecar_started", sidecar=options.id)
    await follower.run(stop)
    _log.info("sidecar_stopped", sidecar=options.id)
    return 0
