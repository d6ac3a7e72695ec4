"""Conditions as HAProxy has them: ACLs, and for each way in which one holds the names of those that have to hold.

The lines belong into a `frontend` (or `listen`), before the rules that use them. A condition of several ways makes
several rules, of which the first that holds is taken: a line of HAProxy's takes 64 words. Patterns are matched by POSIX
or PCRE, whatever HAProxy was built with.
"""

import re
from typing import Final, NamedTuple

from trimtab.schemas.condition import Check, Condition
from trimtab.schemas.ids import is_name
from trimtab.schemas.ways import ways
from trimtab.sidecar.list_pattern import list_pattern

_PLAIN: Final = re.compile("[a-z0-9_.-]+")
_MATCHES: Final = {"is": "str", "contains": "sub", "starts": "beg", "ends": "end"}


class Acls(NamedTuple):
    """A condition in HAProxy's words."""

    lines: tuple[str, ...]
    """each check, as an ACL"""
    ways: tuple[str, ...]
    """what stands behind `if`, for each way; none where the condition cannot hold"""

    def rules(self, action: str) -> list[str]:
        """Gives the lines that do `action` where the condition holds, such as `use_backend canary`."""
        return [f"{action} if {way}" for way in self.ways]


def acls(condition: Condition, name: str) -> Acls:
    """Gives the ACLs of `condition`, which are called `name` and a number. Raises `ValueError` for what is no name.

    >>> from trimtab.schemas.condition import parse
    >>> found = acls(parse("host = shop.example and not path starts with /cart"), "mobile")
    >>> print(*found.lines, *found.rules("use_backend canary"), sep=chr(10))
    acl mobile_1 req.fhdr(host),field(1,:) -m str -i -- 'shop.example'
    acl mobile_2 path -m beg -- '/cart'
    use_backend canary if mobile_1 !mobile_2
    """
    if not is_name(name):
        raise ValueError(f"name: expected lower-case letters, digits and -, at most 63, got {name!r}")
    found = ways(condition)
    checks = list(dict.fromkeys(term.check for way in found for term in way))
    names = {check: f"{name}_{number}" for number, check in enumerate(checks, 1)}
    return Acls(
        tuple(f"acl {own} {_criterion(check)}" for check, own in names.items()),
        tuple(" ".join(names[check] if holds else f"!{names[check]}" for check, holds in way) for way in found),
    )


def _criterion(check: Check) -> str:
    match check.field:
        case "path":
            return f"path -m {_MATCHES[check.match]} -- {_quoted(check.value)}"
        case "host":
            return f"req.fhdr(host),field(1,:) -m {_MATCHES[check.match]} -i -- {_quoted(check.value)}"
        case "header" if check.match == "present":
            return f"{_sample('req.fhdr_cnt', check.name)} gt 0"
        case "header" | "user-agent" | "cookie":
            found, header = list_pattern(check), check.name if check.field == "header" else check.field
            before, after = f"(^|{found.separator})" * found.begins, f"({found.separator}|$)" * found.ends
            return f"{_sample('req.fhdr', header)} -m reg -- {_quoted(before + found.pattern + after)}"


def _sample(fetch: str, header: str) -> str:
    sample = f"{fetch}({header})"
    return sample if _PLAIN.fullmatch(header) else _quoted(sample)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
