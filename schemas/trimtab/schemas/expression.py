"""Expressions: metrics that a user writes over counters and outcomes.

    errors / responses
    max(timeouts, resets) / requests
    outcome("revenue").sum / requests - 0.5 * duration_ms.mean

An expression has numbers, `NAMES`, `outcome("NAME")` with `.sum`, `.count` or `.mean`, the signs + - * /, parentheses,
and `min` and `max` of two or more. It has nothing else: no comparison, no call, no loop. It is at most `MAX_LENGTH`
characters long, with at most `MAX_NESTING` parentheses and signs within each other and `MAX_PARTS` parts in all, so
that whoever reads or evaluates one does a bounded amount of work.
"""

import math
import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple, Union

from trimtab.schemas.cursor import Cursor, Language, Token
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.nearest import near

MAX_LENGTH: Final = 500
MAX_NESTING: Final = 20
MAX_PARTS: Final = 128

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
NAMES: Final = (
    *(name for name in COUNTS if name not in ("duration_us", "late", "skewed")),
    "server_errors", "in_flight", "duration_ms.mean", *(f"latency.{quantile}" for quantile in QUANTILES),
)  # fmt: skip
"""What a window tells. `server_errors`: errors that are an answer of the service, rather than a timeout, a failed or
reset connection or an overload. `in_flight`: requests that have not ended, as of now."""

FIELDS: Final = ("sum", "count", "mean")
"""What is known of outcomes."""

_LONGEST_NAME: Final = 128
_TOKEN: Final = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)"
    r'|(?P<text>"[^"]*")'
    r"|(?P<field>\.[A-Za-z0-9_]+)"
    r"|(?P<sign>[-+*/(),])"
)
_FUNCTIONS: Final = ("min", "max")

Sign = Literal["+", "-", "*", "/"]


class Number(NamedTuple):
    """A number as it stands."""

    value: float


class Name(NamedTuple):
    """One of `NAMES`."""

    name: str


class Outcome(NamedTuple):
    """One of `FIELDS` of the outcomes of a metric."""

    metric: str
    field: str


class Negative(NamedTuple):
    """Minus something."""

    of: "Node"


class Binary(NamedTuple):
    """Two sides of a sign."""

    sign: Sign
    left: "Node"
    right: "Node"


class Extreme(NamedTuple):
    """The least or the greatest of several."""

    which: str
    of: "tuple[Node, ...]"


Node = Union[Number, Name, Outcome, Negative, Binary, Extreme]  # noqa: UP007 - it refers to itself


class ExpressionError(ValueError):
    """Text that is no expression: where, what was expected, what was found."""


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """Gives what an expression means. Raises `ExpressionError`, a `ValueError`, where it is none.

    >>> parse("errors / responses")
    Binary(sign='/', left=Name(name='errors'), right=Name(name='responses'))
    >>> parse("errors / response")
    Traceback (most recent call last):
    trimtab.schemas.expression.ExpressionError: column 10: expected a known name, found 'response'; known names: \
requests, responses, errors, client_errors, bytes, timeouts, connects, resets, overloads, server_errors, in_flight, \
duration_ms.mean, latency.p50, latency.p90, latency.p95, latency.p99, latency.p99_9, outcome, min, max; \
did you mean responses?
    """
    return _Parser(Cursor(text, _LANGUAGE)).parse()


def outcomes_in(node: Node) -> set[str]:
    """Gives the metrics whose outcomes an expression reads."""
    match node:
        case Outcome(metric, _):
            return {metric}
        case Negative(of):
            return outcomes_in(of)
        case Binary(_, left, right):
            return outcomes_in(left) | outcomes_in(right)
        case Extreme(_, of):
            return {metric for part in of for metric in outcomes_in(part)}
        case _:
            return set()


def text_of(node: Node) -> str:
    """Gives an expression that `parse` reads back as `node`, with parentheses around all that has two sides."""
    match node:
        case Number(value):
            return repr(value)
        case Name(name):
            return name
        case Outcome(metric, field):
            return f'outcome("{metric}").{field}'
        case Negative(of):
            return f"-{text_of(of)}"
        case Binary(sign, left, right):
            return f"({text_of(left)} {sign} {text_of(right)})"
        case Extreme(which, of):
            return f"{which}({', '.join(map(text_of, of))})"


_LANGUAGE: Final = Language(
    _TOKEN, "a number, a name, a sign or a parenthesis", ExpressionError, MAX_LENGTH, MAX_NESTING, MAX_PARTS
)
_OPERAND: Final = "a number, a name or an opening parenthesis"


class _Parser:
    """One function for each level of precedence; what binds tighter is called by what binds looser."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def parse(self) -> Node:
        node = self._sum()
        if self._cursor.next.kind != "end":
            raise self._cursor.unexpected("a sign or the end")
        return node

    def _sum(self) -> Node:
        node = self._product()
        while self._cursor.next.text in ("+", "-"):
            sign: Sign = "+" if self._cursor.take().text == "+" else "-"
            node = Binary(sign, node, self._product())
            self._cursor.count()
        return node

    def _product(self) -> Node:
        node = self._operand()
        while self._cursor.next.text in ("*", "/"):
            sign: Sign = "*" if self._cursor.take().text == "*" else "/"
            node = Binary(sign, node, self._operand())
            self._cursor.count()
        return node

    def _operand(self) -> Node:
        self._cursor.count()
        with self._cursor.nested():
            return self._operand_of(self._cursor.next)

    def _operand_of(self, token: Token) -> Node:
        if token.kind == "number":
            return self._number()
        if token.kind == "name":
            return self._named()
        if token.text == "-":
            self._cursor.take()
            return Negative(self._operand())
        if token.text != "(":
            raise self._cursor.unexpected(_OPERAND)
        self._cursor.take()
        node = self._sum()
        self._cursor.expect(")")
        return node

    def _number(self) -> Node:
        value = float(self._cursor.next.text)
        if not math.isfinite(value):
            raise self._cursor.unexpected("a finite number")
        self._cursor.take()
        return Number(value)

    def _named(self) -> Node:
        token = self._cursor.next
        if token.text == "outcome":
            return self._outcome()
        if token.text in _FUNCTIONS:
            return self._extreme()
        if token.text not in NAMES:
            known = (*NAMES, "outcome", *_FUNCTIONS)
            raise ExpressionError(
                f"{self._cursor.unexpected('a known name')}; known names: {', '.join(known)}{near(token.text, known)}"
            )
        self._cursor.take()
        return Name(token.text)

    def _outcome(self) -> Node:
        self._cursor.take()
        self._cursor.expect("(")
        metric = self._cursor.next.text.strip('"')
        if self._cursor.next.kind != "text" or not 0 < len(metric) <= _LONGEST_NAME:
            raise self._cursor.unexpected(f"a metric's name of 1 to {_LONGEST_NAME} characters between quotes")
        self._cursor.take()
        self._cursor.expect(")")
        field = self._cursor.next.text.removeprefix(".")
        if self._cursor.next.kind != "field" or field not in FIELDS:
            raise self._cursor.unexpected(f"one of {', '.join(f'.{known}' for known in FIELDS)}")
        self._cursor.take()
        return Outcome(metric, field)

    def _extreme(self) -> Node:
        which = self._cursor.take().text
        self._cursor.expect("(")
        parts = [self._sum()]
        self._cursor.expect(",")
        parts.append(self._sum())
        while self._cursor.next.text == ",":
            self._cursor.take()
            parts.append(self._sum())
        self._cursor.expect(")")
        return Extreme(which, tuple(parts))
