"""Small languages that people write: text as tokens, and a cursor over them that tells what was expected where."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

_SPACE: Final = " \t\r\n"


class Token(NamedTuple):
    """A piece of text that belongs together."""

    kind: str
    """the name of the group that took it; `end` after the last"""
    text: str
    column: int
    """from 1"""

    @property
    def shown(self) -> str:
        """How a message calls it."""
        return "the end" if self.kind == "end" else repr(self.text)


class Language(NamedTuple):
    """What the text is made of, and how much of it there may be."""

    tokens: re.Pattern[str]
    """with a named group for each kind"""
    anything: str
    """the kinds, as a message calls them"""
    error: type[ValueError]
    """raised, with where it is and what was expected, for text that is none of it"""
    max_length: int
    """characters"""
    max_nesting: int
    max_parts: int
    part: str = "parts"
    """as a message calls them"""


class Cursor:
    """A place among the tokens of a text, which only goes forward.

    >>> sums = Language(re.compile(r"(?P<number>[0-9]+)|(?P<sign>[+])"), "a number or +", ValueError, 10, 2, 9)
    >>> cursor = Cursor("1 + x", sums)
    Traceback (most recent call last):
    ValueError: column 5: expected a number or +, found 'x'
    >>> cursor = Cursor("1 + 2", sums)
    >>> cursor.take().text, cursor.next.shown
    ('1', "'+'")
    >>> raise cursor.unexpected("the end")
    Traceback (most recent call last):
    ValueError: column 3: expected the end, found '+'
    """

    __slots__ = ("_at", "_language", "_nesting", "_parts", "_tokens")

    def __init__(self, text: str, language: Language) -> None:
        if len(text) > language.max_length:
            raise language.error(f"expected at most {language.max_length} characters, found {len(text)}")
        self._language = language
        self._tokens = list(_tokens(text, language))
        self._at = 0
        self._nesting = 0
        self._parts = 0

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """Gives the token that comes next, and goes past it; there is nothing past the end."""
        token = self.next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def unexpected(self, expected: str) -> ValueError:
        """Gives the error to raise where something else than what comes next was expected."""
        return self._language.error(f"column {self.next.column}: expected {expected}, found {self.next.shown}")

    def expect(self, sign: str) -> None:
        """Goes past `sign`, which has to come next."""
        if self.next.text != sign:
            raise self.unexpected(repr(sign))
        self.take()

    def count(self) -> None:
        """Counts one more part, which must not be too many."""
        self._parts += 1
        if self._parts > self._language.max_parts:
            raise self._too_many(f"{self._language.max_parts} {self._language.part}")

    @contextmanager
    def nested(self) -> Iterator[None]:
        """What is read in here is within something, which must not be too deep."""
        self._nesting += 1
        if self._nesting > self._language.max_nesting:
            raise self._too_many(f"{self._language.max_nesting} within each other")
        yield
        self._nesting -= 1

    def _too_many(self, limit: str) -> ValueError:
        return self._language.error(f"column {self.next.column}: expected at most {limit}")


def _tokens(text: str, language: Language) -> Iterator[Token]:
    at = 0
    while at < len(text):
        if text[at] in _SPACE:
            at += 1
            continue
        match = language.tokens.match(text, at)
        if match is None or match.lastgroup is None:
            raise language.error(f"column {at + 1}: expected {language.anything}, found {text[at]!r}")
        yield Token(match.lastgroup, match[0], at + 1)
        at = match.end()
    yield Token("end", "", len(text) + 1)
