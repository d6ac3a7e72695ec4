"""What a condition means: whether it holds for a request. Proxies are held to this by a test.

* Names of headers, hosts and user agents are compared without regard to case, all else exactly.
* A header, the user agent too, is a list of values with commas between, in one line or in several: it is like something
  if one of its values is. So is a cookie, which may come more than once.
* A host is what stands before the port, a path what stands before the query. Neither is decoded or normalised.
* What is absent is like nothing: a check of it does not hold, and its negation does.
"""

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from trimtab.schemas.condition import All, Check, Condition, Not, Some
from trimtab.schemas.condition_field import Match

_SPACE = " \t"


class Request(NamedTuple):
    """What conditions see of a request."""

    target: str
    """path and query"""
    headers: tuple[tuple[str, str], ...] = ()
    """name and value of each line, in order; `host` is one of them"""


def matches(condition: Condition, request: Request) -> bool:
    """Whether the condition holds.

    >>> from trimtab.schemas.condition import parse
    >>> request = Request("/cart?id=7", (("Host", "shop.example:8080"), ("Cookie", "id=7; group=beta-2")))
    >>> matches(parse("path = /cart and cookie group starts with beta and host = SHOP.example"), request)
    True
    >>> matches(parse("has cookie Group or path contains id"), request)
    False
    """
    match condition:
        case Not(of):
            return not matches(of, request)
        case All(of):
            return all(matches(part, request) for part in of)
        case Some(of):
            return any(matches(part, request) for part in of)
        case Check():
            return any(_is_like(condition, value) for value in _values(condition, request))
        case _:
            assert_never(condition)


def _values(check: Check, request: Request) -> Iterator[str]:
    match check.field:
        case "path":
            yield request.target.partition("?")[0]
        case "host":
            yield from (value.partition(":")[0] for value in _lines("host", request))
        case "cookie":
            yield from _cookies(check.name, request)
        case "header" | "user-agent":
            lines = _lines(check.name or "user-agent", request)
            yield from (value.strip(_SPACE) for line in lines for value in line.split(","))


def _lines(name: str, request: Request) -> list[str]:
    return [value.strip(_SPACE) for key, value in request.headers if key.lower() == name]


def _cookies(name: str, request: Request) -> Iterator[str]:
    for line in _lines("cookie", request):
        for pair in line.split(";"):
            key, equals, value = pair.strip(_SPACE).partition("=")
            if equals and key == name:
                yield value


def _is_like(check: Check, value: str) -> bool:
    wanted = check.value
    if check.field in ("host", "user-agent"):
        wanted, value = wanted.lower(), value.lower()
    return _compare(check.match, value, wanted)


def _compare(match: Match, value: str, wanted: str) -> bool:
    match match:
        case "present":
            return True
        case "is":
            return value == wanted
        case "contains":
            return wanted in value
        case "starts":
            return value.startswith(wanted)
        case "ends":
            return value.endswith(wanted)
