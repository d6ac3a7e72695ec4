"""An upstream for benchmarks: answers at once, with an error at a fixed share of requests drawn by seed.

`python -m benchmarks.service SEED ERROR_RATIO` prints its port on loopback and serves until it is told to stop.
"""

import asyncio
import random
import sys

_GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
_BAD = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nno"


async def _serve(seed: int, error_ratio: float) -> None:
    draws = random.Random(seed)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(_BAD if draws.random() < error_ratio else _GOOD)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
