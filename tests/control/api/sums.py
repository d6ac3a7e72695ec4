"""What a process apart is given to do: by a module that it can import."""

import time

from trimtab.schemas.errors import Unreachable


def say(text: str) -> bytes:
    return text.encode()


def sleep_on(_text: str) -> bytes:
    time.sleep(60)  # longer than it may
    return b""


def fail(text: str) -> bytes:
    raise Unreachable(text)


def crash(_text: str) -> bytes:
    raise SystemExit(3)
