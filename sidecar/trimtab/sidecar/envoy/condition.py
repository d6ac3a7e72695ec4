r"""Conditions as Envoy has them: for each way in which one holds, headers that all have to match.

Host and path are headers to Envoy (`:authority`, `:path`), and so a way leaves the prefix of its route alone. All
checks are patterns, for what counts is a part of a header. RE2 matches the whole of it; `\C` is any byte, also one that
is no UTF-8. (Within the value of a cookie nothing matches such a byte.)
"""

from typing import Final

from envoy.config.route.v3.route_components_pb2 import HeaderMatcher

from trimtab.schemas.condition import Check, Condition
from trimtab.schemas.ways import Term, ways
from trimtab.sidecar.list_pattern import escaped, in_either_case, list_pattern

_ANY: Final = r"\C*"


def header_matchers(condition: Condition) -> list[list[HeaderMatcher]]:
    """Gives the header matchers of each way in which `condition` holds; none where it cannot hold.

    >>> from trimtab.schemas.condition import parse
    >>> [[matcher.name for matcher in way] for way in header_matchers(parse("host = a and has header B or path = /c"))]
    [[':authority', 'b'], [':path']]
    """
    return [[_matcher(term) for term in way] for way in ways(condition)]


def _matcher(term: Term) -> HeaderMatcher:
    check = term.check
    if check.match == "present" and check.field == "header":
        return HeaderMatcher(name=check.name, present_match=True, invert_match=not term.holds)
    # An absent header is empty, and nothing empty is ever asked for: so a negation holds of it.
    matcher = HeaderMatcher(name=_header(check), invert_match=not term.holds, treat_missing_header_as_empty=True)
    matcher.string_match.safe_regex.regex = _regex(check)
    return matcher


def _header(check: Check) -> str:
    own = {"host": ":authority", "path": ":path"}
    return own.get(check.field, check.name if check.field == "header" else check.field)


def _regex(check: Check) -> str:
    match check.field:
        case "host":
            return _part(check, in_either_case(check.value), before="[^:]*", after=r"(:\C*)?")
        case "path":
            return _part(check, escaped(check.value), before="[^?]*", after=r"(\?\C*)?")
        case "header" | "user-agent" | "cookie":
            found = list_pattern(check)
            before = rf"(\C*{found.separator})?" if found.begins else _ANY
            return before + found.pattern + (rf"({found.separator}\C*)?" if found.ends else _ANY)


def _part(check: Check, value: str, *, before: str, after: str) -> str:
    """Gives the pattern of a header of which the part up to `after` is compared; `before` goes on within that part."""
    begins, ends = check.match in ("is", "starts"), check.match in ("is", "ends")
    return ("" if begins else before) + value + (after if ends else _ANY)
