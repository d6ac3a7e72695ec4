"""Headers and cookies are lists to a condition: the pattern of one item, made of what RE2, PCRE and POSIX know alike.

A header is a list with commas between, whether it comes in one line or in several, which proxies join or do not. The
header `Cookie` is one with semicolons. HAProxy's own fetch of cookies ends them at commas and knows quotes, Envoy has
none at all: so both get patterns.
"""

import re
from typing import Final, NamedTuple

from trimtab.schemas.condition import Check

_SPACES: Final = "[ \t]*"
_SPECIAL: Final = re.compile(r"[].[{}()\\*+?^$|]")
"""What stands for itself only behind a backslash. Before anything else a backslash may have a sense, as `\\<` has."""


class ListPattern(NamedTuple):
    """What is looked for in a list."""

    separator: str
    pattern: str
    begins: bool
    """whether an item begins where the pattern does"""
    ends: bool
    """whether the item ends where the pattern does"""


def list_pattern(check: Check) -> ListPattern:
    r"""Gives the pattern of a check of a header, a user agent or a cookie.

    >>> list_pattern(Check("cookie", "ends", "a.b", "id")).pattern
    '[ \t]*id=[^;]*a\\.b[ \t]*'
    >>> list_pattern(Check("user-agent", "contains", "X1"))
    ListPattern(separator=',', pattern='[xX]1', begins=False, ends=False)
    """
    begins, ends = check.match in ("is", "starts"), check.match in ("is", "ends")
    value = in_either_case(check.value) if check.field == "user-agent" else escaped(check.value)
    after = _SPACES if ends else ""
    if check.field == "cookie":
        anything = "" if begins or check.match == "present" else "[^;]*"
        return ListPattern(";", f"{_SPACES}{escaped(check.name)}={anything}{value}{after}", begins=True, ends=ends)
    before = _SPACES if begins else ""
    return ListPattern(",", f"{before}{value}{after}", begins, ends)


def escaped(text: str) -> str:
    """Gives the pattern of `text` alone."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], text)


def in_either_case(text: str) -> str:
    """Gives the pattern of `text` in small and in capital letters, and of no other letters that are like these."""
    return "".join(f"[{each.lower()}{each.upper()}]" if each.isalpha() else escaped(each) for each in text)
