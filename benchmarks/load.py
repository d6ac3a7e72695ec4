"""Open-loop load: requests at even distances over a few keep-alive connections, to loopback, for a bounded time.

`python -m benchmarks.load PORT RPS SECONDS` prints `sent N failed M` when it is done; a failure is a request without
a response.
"""

import asyncio
import sys
import time

_CONNECTIONS = 16
_DONE = -1
_REQUEST = b"GET / HTTP/1.1\r\nhost: benchmark\r\n\r\n"


async def _load(port: int, rps: float, seconds: float) -> None:
    due: asyncio.Queue[int] = asyncio.Queue()
    counts = [0, 0]

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while await due.get() != _DONE:
            writer.write(_REQUEST)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                counts[0] += head.startswith(b"HTTP/1.1")
            except (asyncio.IncompleteReadError, ConnectionError):
                counts[1] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    tasks = [asyncio.create_task(connection()) for _ in range(_CONNECTIONS)]
    start, total = time.monotonic(), int(rps * seconds)
    for number in range(total):
        await asyncio.sleep(max(0.0, start + number / rps - time.monotonic()))
        due.put_nowait(number)
    for _ in tasks:
        due.put_nowait(_DONE)
    await asyncio.gather(*tasks)
    print(f"sent {counts[0]} failed {counts[1]}", flush=True)


if __name__ == "__main__":
    asyncio.run(_load(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
