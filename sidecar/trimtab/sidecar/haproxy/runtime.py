"""HAProxy's runtime API: commands over its stats socket, and what it answers to each."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from trimtab.schemas.errors import TrimtabError, Unreachable

_ANSWER_S: Final = 5.0
_LINE_BYTES: Final = 8_000
"""Of commands sent together. HAProxy reads a line into a buffer of 16,384 bytes."""


class ProxyRefused(TrimtabError):
    """HAProxy did not take a command; the message is the command and HAProxy's own words."""


class Runtime:
    """The runtime API behind the stats socket at `path`, which has to be of level admin."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(self, command: str) -> str:
        """Gives all that HAProxy answers to one command. Raises `Unreachable` where it does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._exchange(command)
        except TimeoutError:
            raise Unreachable(f"haproxy at {self._path}: no answer within {_ANSWER_S:g} s") from None
        except OSError as error:
            raise Unreachable(f"haproxy at {self._path}: {error.strerror or error}") from None

    async def tell(self, commands: Sequence[str]) -> None:
        """Sends commands that answer nothing where they succeed, as many together as a line takes.

        Together they are carried out within a fraction of a millisecond, though not as one. Raises `ProxyRefused` for
        the first that HAProxy refused; others may have been carried out.
        """
        for together in _lines(commands):
            answers = _answers(await self.ask(";".join(together)))
            for command, answer in zip(together, answers, strict=False):
                if answer:
                    raise ProxyRefused(f"{command}: {answer}")
            if len(answers) != len(together):
                raise ProxyRefused(f"{together[0]}: expected {len(together)} answers, got {answers!r}")

    async def _exchange(self, command: str) -> str:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(f"{command}\n".encode())
            return (await reader.read(-1)).decode("utf-8", "replace")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def map_entries(answer: str) -> dict[str, str]:
    """Gives what `show map` answers: key -> value. Raises `ProxyRefused` where it answers that there is no such map."""
    entries = {}
    for line in answer.splitlines():
        fields = line.split(" ")
        if len(fields) == 3 and fields[0].startswith("0x"):  # noqa: PLR2004 - reference, key, value
            entries[fields[1]] = fields[2]
        elif line:
            raise ProxyRefused(f"show map: {line}")
    return entries


def _answers(text: str) -> list[str]:
    """Gives the answers in a text in which a blank line ends each; one that succeeded in silence is empty."""
    answers, lines = [], list[str]()
    for line in text.removesuffix("\n").split("\n") if text else []:
        if line:
            lines.append(line)
        else:
            answers.append(" ".join(lines))
            lines = []
    return answers + ([" ".join(lines)] if lines else [])


def _lines(commands: Sequence[str]) -> Iterator[list[str]]:
    together, size = list[str](), 0
    for command in commands:
        size += len(command) + 1
        if together and size > _LINE_BYTES:
            yield together
            together, size = [], len(command) + 1
        together.append(command)
    if together:
        yield together
