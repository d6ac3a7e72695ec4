"""The end of a task that would go on for ever."""

import asyncio
from typing import Any, Final

_AGAIN_S: Final = 0.1


async def end(task: asyncio.Task[Any]) -> None:
    """Cancels a task until it has ended; what it raised is left in it.

    One cancellation may not do: whoever takes it for an error of a connection goes on, and a loop with it.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_S)
