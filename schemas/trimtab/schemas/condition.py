r"""Conditions: which requests are meant, by user agent, host, path, headers and cookies.

    user-agent = Android and (host = shop.example or not cookie group contains beta)
    has header X-Canary
    header X-Group = "a b" and path starts with /checkout

| what | grammar |
|---|---|
| condition | checks with `and`, `or`, `not` and parentheses; also `&&`, `||`, `!`. `not` binds tightest, then `and` |
| check | `has` or `misses`, `header` or `cookie`, NAME; or a field, an operator and a value |
| field | `user-agent`, `host`, `path`, `header` NAME, `cookie` NAME |
| operator | `=` (`==`, `is`), `contains` (`has`), `starts with`, `ends with`; `!=`, `is not`, `misses`: not so |
| value | a word, or anything between double quotes, where `\"` and `\\` stand for a quote and a backslash |

Words of the language are read in any case. What names and values may be is decided in `condition_field.py`, what a
check means, at every proxy, in `request_match.py`. There is nothing else: no regular expression, no reference. Text,
depth and number of checks are bounded, so that whoever reads a condition does a bounded amount of work.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Union

from trimtab.schemas.condition_field import NAMED, Field, Match, amiss_in_name, amiss_in_value
from trimtab.schemas.cursor import Cursor, Language, Token
from trimtab.schemas.nearest import near

MAX_LENGTH: Final = 1_000
MAX_NESTING: Final = 20
MAX_CHECKS: Final = 32
MAX_VALUE: Final = 72
"""Characters of a name, of a value, and of a cookie's name and value together. Envoy refuses a pattern whose program
has more than 100 steps, unless it is told otherwise; one has up to 22 beside a step for each character."""


class Check(NamedTuple):
    """What one field of a request is like."""

    field: Field
    match: Match
    value: str = ""
    """nothing where the field is only to be present"""
    name: str = ""
    """of a header, in small letters, or of a cookie"""


# No named tuples: those are equal wherever the same is in them, and `All` would be taken for `Some`.
@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold."""

    of: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    """Several that hold together."""

    of: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Some:
    """Several of which one holds at least."""

    of: "tuple[Condition, ...]"


Condition = Union[Check, Not, All, Some]  # noqa: UP007 - it refers to itself


class ConditionError(ValueError):
    """Text that is no condition: where, what was expected, what was found."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition:
    """Gives what a condition means. Raises `ConditionError`, a `ValueError`, where it is none.

    >>> parse("has header X-Canary and host != shop.example").of[1]
    Not(of=Check(field='host', match='is', value='shop.example', name=''))
    >>> parse("hots = shop.example")
    Traceback (most recent call last):
    trimtab.schemas.condition.ConditionError: column 1: expected one of user-agent, host, path, header, cookie, has, \
misses, not or an opening parenthesis, found 'hots'; did you mean host?
    """
    return _Parser(Cursor(text, _LANGUAGE)).parse()


_OPERATORS: Final[dict[Match, str]] = {
    "is": "=", "contains": "contains", "starts": "starts with", "ends": "ends with",
}  # fmt: skip


def text_of(condition: Condition) -> str:
    """Gives a text that `parse` reads back as `condition`."""
    match condition:
        case Not(of):
            return f"not {_within(of)}"
        case All(of):
            return " and ".join(map(_within, of))
        case Some(of):
            return " or ".join(map(_within, of))
        case Check(field, matched, value, name):
            named = f"{field} {_quoted(name)}" if name else field
            return f"has {named}" if matched == "present" else f"{named} {_OPERATORS[matched]} {_quoted(value)}"


def _within(condition: Condition) -> str:
    text = text_of(condition)
    return f"({text})" if isinstance(condition, All | Some) else text


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


_LANGUAGE: Final = Language(
    re.compile(
        r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<unclosed>".*)|(?P<sign>[()]|!=|==?|!|&&?|\|\|?)|(?P<word>[^\s()"=!&|<>{}]+)',
        re.DOTALL,
    ),
    "a word, a text between double quotes, an operator or a parenthesis",
    ConditionError, MAX_LENGTH, MAX_NESTING, MAX_CHECKS, "checks",
)  # fmt: skip

_FIELDS: Final[dict[str, Field]] = {
    "user-agent": "user-agent", "user.agent": "user-agent", "useragent": "user-agent",
    "host": "host", "path": "path", "header": "header", "cookie": "cookie",
}  # fmt: skip
_STARTS: Final = ("user-agent", "host", "path", "header", "cookie", "has", "misses", "not")
_COMPARISONS: Final[dict[str, tuple[Match, bool]]] = {
    "=": ("is", True), "==": ("is", True), "is": ("is", True), "!=": ("is", False),
    "has": ("contains", True), "contains": ("contains", True), "misses": ("contains", False),
    "starts": ("starts", True), "ends": ("ends", True),
}  # fmt: skip
"""What an operator asks for, and whether it is to be so."""


class _Parser:
    """One function for each level of precedence; what binds tighter is called by what binds looser."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def parse(self) -> Condition:
        condition = self._some()
        if self._cursor.next.kind != "end":
            raise self._unexpected("and, or, or the end", "and", "or")
        return condition

    def _some(self) -> Condition:
        parts = [self._all()]
        while self._goes_past("or", "||", "|"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._goes_past("and", "&&", "&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Condition:
        with self._cursor.nested():
            if self._goes_past("not", "!"):
                return Not(self._one())
            if not self._goes_past("("):
                return self._check()
            condition = self._some()
            self._cursor.expect(")")
            return condition

    def _check(self) -> Condition:
        self._cursor.count()
        word = _lower(self._cursor.next)
        if word in ("has", "contains", "misses"):
            self._cursor.take()
            return _so(self._presence(), is_so=word != "misses")
        if word not in _FIELDS:
            raise self._unexpected(f"one of {', '.join(_STARTS)} or an opening parenthesis", *_STARTS)
        self._cursor.take()
        field = _FIELDS[word]
        name = self._name(field) if field in NAMED else ""
        matched, is_so = self._comparison()
        return _so(Check(field, matched, self._value(field, matched, name), name), is_so=is_so)

    def _presence(self) -> Check:
        word = _lower(self._cursor.next)
        if word not in NAMED:
            raise self._unexpected("header or cookie", *NAMED)
        self._cursor.take()
        field = _FIELDS[word]
        return Check(field, "present", name=self._name(field))

    def _comparison(self) -> tuple[Match, bool]:
        word = _lower(self._cursor.next)
        if word not in _COMPARISONS:
            expected = "one of =, !=, is, is not, contains, has, misses, starts with, ends with"
            raise self._unexpected(expected, *_COMPARISONS)
        self._cursor.take()
        if word in ("starts", "ends") and not self._goes_past("with"):
            raise self._unexpected("with", "with")
        matched, is_so = _COMPARISONS[word]
        return matched, is_so and not (word == "is" and self._goes_past("not"))

    def _name(self, field: Field) -> str:
        token, name = self._cursor.next, self._text("a name")
        if expected := amiss_in_name(field, name):
            raise _refused(token, expected)
        return name.lower() if field == "header" else name

    def _value(self, field: Field, matched: Match, name: str) -> str:
        token, value = self._cursor.next, self._text("a value")
        if expected := amiss_in_value(field, matched, value):
            raise _refused(token, expected)
        if field == "cookie" and len(name) + len(value) > MAX_VALUE:
            raise _refused(token, f"a name and a value of at most {MAX_VALUE} characters together")
        return value

    def _text(self, expected: str) -> str:
        token = self._cursor.next
        if token.kind == "unclosed":
            raise ConditionError(f"column {token.column}: expected a closing quote, found the end")
        if token.kind not in ("text", "word"):
            raise self._cursor.unexpected(expected)
        self._cursor.take()
        text = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL) if token.kind == "text" else token.text
        if not 0 < len(text) <= MAX_VALUE:
            raise _refused(token, f"{expected} of 1 to {MAX_VALUE} characters")
        return text

    def _goes_past(self, *words: str) -> bool:
        goes = _lower(self._cursor.next) in words
        if goes:
            self._cursor.take()
        return goes

    def _unexpected(self, expected: str, *words: str) -> ConditionError:
        token = self._cursor.next
        hint = near(token.text, words) if token.kind == "word" else ""
        return ConditionError(f"{self._cursor.unexpected(expected)}{hint}")


def _so(check: Check, *, is_so: bool) -> Condition:
    if check.field == "user-agent" and check.match == "is":
        check = check._replace(match="contains")  # no user agent is just "Firefox"
    return check if is_so else Not(check)


def _lower(token: Token) -> str:
    return token.text.lower() if token.kind in ("word", "sign") else ""


def _refused(token: Token, expected: str) -> ConditionError:
    return ConditionError(f"column {token.column}: expected {expected}, found {token.text!r:.80}")
