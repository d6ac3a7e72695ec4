import asyncio
import selectors
import socket
from typing import Final

import pytest

from faults.delay_line import DelayLine, Weather

_CHUNK: Final = 1 << 16
_DELAY_S: Final = 10.0


class Skipping(selectors.DefaultSelector):
    """Waits for nothing but sockets: where there is only time to pass, it is gone."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock leaps from one timer to the next, so that times are the same on every machine."""

    def __init__(self) -> None:
        self._skipping = Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now_s


async def arrivals(line: DelayLine, chunks: list[bytes], gap_s: float) -> list[tuple[float, bytes]]:
    """Sends chunks over a line, that far apart, and gives what came when."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    near, far = socket.socketpair()
    far.settimeout(0)
    _, writer = await asyncio.open_connection(sock=near)

    async def send() -> None:
        for chunk in chunks:
            reader.feed_data(chunk)
            await asyncio.sleep(gap_s)
        reader.feed_eof()

    came = []
    with far:
        async with asyncio.TaskGroup() as ends:
            for end in (send(), line.take_in(reader), line.give_out(writer)):
                ends.create_task(end)
            while received := await loop.sock_recv(far, _CHUNK):
                came.append((loop.time(), received))
        writer.close()
        await writer.wait_closed()
    return came


def test_a_chunk_comes_one_delay_after_it_was_sent_however_many_are_under_way() -> None:
    weather = Weather()
    weather.delay_s = _DELAY_S
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        came = runner.run(arrivals(DelayLine(weather), [bytes([number]) * 1_024 for number in range(100)], 0.5))
    assert [chunk[0] for _, chunk in came] == list(range(100))
    assert [when_s for when_s, _ in came] == pytest.approx([_DELAY_S + 0.5 * number for number in range(100)])
