"""Long sums in a process of their own: nothing waits for them, and they end when they take too long."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from trimtab.schemas.errors import TrimtabError

_END_S: Final = 5.0


class TookTooLong(TrimtabError):
    """A sum was not done in its time."""


class Failed(TrimtabError):
    """A sum cannot be done; the message says why."""


def apart(function: Callable[..., bytes], *arguments: object, within_s: float) -> bytes:
    """Gives what `function` gives, which has to be one of a module, as all of its arguments have to be picklable.

    Raises `TookTooLong`, `Failed` with what a `TrimtabError` of it says, `RuntimeError` where it ends otherwise.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, function, arguments), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(within_s):
            raise TookTooLong(f"not done within {within_s:g} s")
        is_done, answer = here.recv()
    except EOFError:
        process.join(_END_S)
        raise RuntimeError(f"the process of {function.__name__} ended with exit code {process.exitcode}") from None
    finally:
        here.close()
        process.kill()
        process.join(_END_S)
    if not is_done:
        raise Failed(answer.decode())
    return bytes(answer)


def _answer(there: Connection, function: Callable[..., bytes], arguments: tuple[object, ...]) -> None:
    try:
        there.send((True, function(*arguments)))
    except TrimtabError as error:
        there.send((False, str(error).encode()))
