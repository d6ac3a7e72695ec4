r"""Queries: which models of the catalogue are meant, by their metadata, their figures and what they rest on.

    environment = production and privacy <= internal and licence in (MIT, Apache-2.0)
    blessed and accuracy >= 0.95 and p99_ms <= 20 and serving.accuracy[eu] >= 0.9
    lineage excludes dataset clicks-2026-03 and not tag stage = experiment

| what | grammar |
|---|---|
| query | constraints with `and` between them; nothing at all means every model |
| constraint | a check, `not` and a constraint, or constraints with `and` and `or` between parentheses |
| check | `blessed` |
| | `name`, `version`, `alias`, `environment`, `region`, `licence`: `=`, `!=`, `in (A, B)`; `privacy` also `<=`, `>=` |
| | `has tag NAME`, `tag NAME = VALUE`, `tag NAME != VALUE` |
| | `lineage excludes KIND NAME`, `lineage includes KIND NAME`; `project = NAME` is short for the latter |
| | a figure, `>=`, `>`, `<=`, `<`, `=` or `!=`, and a number |
| figure | a metric's name, such as `accuracy`: of development; `serving.accuracy`: of its deployments, the newest |
| | followed by `[SEGMENT]`: of one segment |
| value | a word, or anything between double quotes, where `\"` and `\\` stand for a quote and a backslash |

A figure, a licence or a class of privacy that is not known satisfies no check, and neither does its negation: missing
is not zero. Words of the language are read in any case. There is nothing else: no call, no arithmetic, no reference.
Text, depth and number of checks are bounded, so that whoever reads a query does a bounded amount of work.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from trimtab.schemas.cursor import Cursor, Language, Token
from trimtab.schemas.model_ref import Kind, ModelRef, parse_ref, ref
from trimtab.schemas.model_term import (
    METRIC,
    PRIVACY,
    PROPERTIES,
    All,
    Blessed,
    Bound,
    Comparison,
    Constraint,
    Not,
    OneOf,
    Private,
    Property,
    RestsOn,
    Some,
    Tagged,
    Term,
)
from trimtab.schemas.nearest import near

MAX_LENGTH: Final = 2_000
MAX_NESTING: Final = 20
MAX_CHECKS: Final = 64
MAX_VALUE: Final = 128


class QueryError(ValueError):
    """Text that is no query: where, what was expected, what was found."""


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[Constraint, ...]:
    """Gives the constraints of a query. Raises `QueryError`, a `ValueError`, where it is none.

    >>> parse("blessed and p99_ms <= 20")[1]
    Constraint(text='p99_ms <= 20', term=Bound(figure='p99_ms', comparison='<=', value=20.0))
    >>> parse("enviroment = production")
    Traceback (most recent call last):
    trimtab.schemas.model_query.QueryError: column 14: expected a number to compare enviroment with, found \
'production'; did you mean environment?
    """
    return _Parser(text).parse()


_LANGUAGE: Final = Language(
    re.compile(
        r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<unclosed>".*)|(?P<sign>[(),]|>=|<=|!=|==?|>|<|&&|\|\||!)'
        r'|(?P<word>[^\s()",=!&|<>]+)',
        re.DOTALL,
    ),
    "a word, a text between double quotes, a comparison or a parenthesis",
    QueryError, MAX_LENGTH, MAX_NESTING, MAX_CHECKS, "checks",
)  # fmt: skip
_COMPARISONS: Final[dict[str, Comparison]] = {
    ">=": ">=", ">": ">", "<=": "<=", "<": "<", "=": "=", "==": "=", "!=": "!=", "is": "=",
}  # fmt: skip
_PLAIN: Final = ("=", "!=")
_RANKED: Final = ("=", "!=", "<=", ">=")
_FIGURE: Final = re.compile(rf"(serving\.|development\.)?({METRIC})(\[[a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?\])?")
_STARTS: Final = (*PROPERTIES, "project", "blessed", "has", "tag", "lineage", "not")


class _Parser:
    """One function for each level of precedence; what binds tighter is called by what binds looser."""

    __slots__ = ("_cursor", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._cursor = Cursor(text, _LANGUAGE)

    def parse(self) -> tuple[Constraint, ...]:
        constraints: list[Constraint] = []
        while self._cursor.next.kind != "end":
            start = self._cursor.next.column - 1
            term = self._one()
            constraints.append(Constraint(self._text[start : self._cursor.next.column - 1].strip(), term))
            if self._cursor.next.kind == "end":
                break
            if not self._goes_past("and", "&&"):
                raise self._unexpected("and, or the end; `or` stands between parentheses", "and")
            if self._cursor.next.kind == "end":
                raise self._cursor.unexpected("a constraint after and")
        return tuple(constraints)

    def _some(self) -> Term:
        parts = [self._all()]
        while self._goes_past("or", "||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _all(self) -> Term:
        parts = [self._one()]
        while self._goes_past("and", "&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Term:
        with self._cursor.nested():
            if self._goes_past("not", "!"):
                return Not(self._one())
            if not self._goes_past("("):
                return self._check()
            term = self._some()
            self._cursor.expect(")")
            return term

    def _check(self) -> Term:
        self._cursor.count()
        token = self._cursor.next
        word = _lower(token)
        if token.kind != "word":
            raise self._unexpected("a property, a figure, or one of blessed, has, tag, lineage, not", *_STARTS)
        self._cursor.take()
        if word in PROPERTIES:
            return self._property(next(name for name in PROPERTIES if name == word))
        if word in _OWN:
            return _OWN[word](self)
        return self._figure(token)

    def _blessed(self) -> Term:
        return Blessed()

    def _has(self) -> Term:
        self._word("tag")
        return Tagged(self._value("the name of a tag"), None)

    def _property(self, name: Property) -> Term:
        if self._goes_past("in"):
            return OneOf(name, self._values(name))
        token = self._cursor.next
        sign = self._comparison((*(_RANKED if name == "privacy" else _PLAIN), "in"))
        if sign not in (_RANKED if name == "privacy" else _PLAIN):
            signs = "=, !=, <=, >= or in" if name == "privacy" else "=, != or in"
            raise QueryError(f"column {token.column}: {name} compares with {signs}, not with {sign}")
        value = self._property_value(name)
        if sign in ("<=", ">="):
            return Private("<=" if sign == "<=" else ">=", PRIVACY.index(value))
        return _so(OneOf(name, frozenset((value,))), sign)

    def _values(self, name: Property) -> frozenset[str]:
        self._cursor.expect("(")
        values = [self._property_value(name)]
        while self._goes_past(","):
            values.append(self._property_value(name))
        self._cursor.expect(")")
        return frozenset(values)

    def _property_value(self, name: Property) -> str:
        if name != "privacy":
            return self._value(f"a value of {name}")
        if _lower(self._cursor.next) not in PRIVACY:
            raise self._unexpected(f"one of {', '.join(PRIVACY)}", *PRIVACY)
        return self._cursor.take().text.lower()

    def _tag(self) -> Term:
        name = self._value("the name of a tag")
        sign = self._comparison(_PLAIN)
        if sign not in _PLAIN:
            raise self._cursor.unexpected(f"tag {name} to be compared with = or !=")
        return _so(Tagged(name, self._value("a value")), sign)

    def _project(self) -> Term:
        sign = self._comparison(_PLAIN)
        if sign not in _PLAIN:
            raise self._cursor.unexpected("project to be compared with = or !=")
        return _so(RestsOn(self._ref(Kind.PROJECT)), sign)

    def _lineage(self) -> Term:
        is_excluded = self._goes_past("excludes")
        if not is_excluded:
            self._word("includes", "excludes")
        word = _lower(self._cursor.next)
        if word not in list(Kind):
            raise self._unexpected(f"one of {', '.join(Kind)}", *Kind)
        self._cursor.take()
        rests = RestsOn(self._ref(Kind(word)))
        return Not(rests) if is_excluded else rests

    def _ref(self, kind: Kind) -> ModelRef:
        token, name = self._cursor.next, self._value(f"the name of a {kind}")
        try:
            return parse_ref(str(ref(kind, name)))
        except ValueError as error:
            raise QueryError(f"column {token.column}: {error}") from None

    def _figure(self, token: Token) -> Bound:
        found = _FIGURE.fullmatch(token.text)
        hint = near(token.text, _STARTS)
        if found is None:
            what = "a property, or a figure such as accuracy, serving.p99_ms or accuracy[eu]"
            raise QueryError(f"column {token.column}: expected {what}, found {token.shown:.80}{hint}")
        comparison = self._comparison(tuple(_COMPARISONS))
        number = self._cursor.next
        try:
            value = float(number.text)
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):  # nan, too
            what = f"a number to compare {token.text} with"
            raise QueryError(f"column {number.column}: expected {what}, found {number.shown:.80}{hint}")
        self._cursor.take()
        return Bound(token.text.removeprefix("development."), comparison, value)

    def _comparison(self, expected: tuple[str, ...]) -> Comparison:
        word = _lower(self._cursor.next)
        if word not in _COMPARISONS:
            raise self._cursor.unexpected(f"one of {', '.join(one for one in expected if one not in ('==', 'is'))}")
        self._cursor.take()
        return _COMPARISONS[word]

    def _value(self, expected: str) -> str:
        token = self._cursor.next
        if token.kind == "unclosed":
            raise QueryError(f"column {token.column}: expected a closing quote, found the end")
        if token.kind not in ("text", "word"):
            raise self._cursor.unexpected(expected)
        self._cursor.take()
        text = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL) if token.kind == "text" else token.text
        if not 0 < len(text) <= MAX_VALUE:
            raise QueryError(f"column {token.column}: expected {expected} of 1 to {MAX_VALUE} characters")
        return text

    def _word(self, *words: str) -> None:
        if not self._goes_past(*words):
            raise self._unexpected(" or ".join(words), *words)

    def _goes_past(self, *words: str) -> bool:
        goes = _lower(self._cursor.next) in words
        if goes:
            self._cursor.take()
        return goes

    def _unexpected(self, expected: str, *words: str) -> QueryError:
        token = self._cursor.next
        hint = near(token.text, words) if token.kind == "word" else ""
        return QueryError(f"{self._cursor.unexpected(expected)}{hint}")


_OWN: Final[dict[str, Callable[[_Parser], Term]]] = {
    "blessed": _Parser._blessed, "has": _Parser._has, "tag": _Parser._tag, "lineage": _Parser._lineage,
    "project": _Parser._project,
}  # fmt: skip
"""Words that checks of their own begin with."""


def _so(term: Term, sign: Comparison) -> Term:
    return Not(term) if sign == "!=" else term


def _lower(token: Token) -> str:
    return token.text.lower() if token.kind in ("word", "sign") else ""
