"""Fields that a condition checks, and which names and values can be checked at every proxy alike."""

import re
from typing import Final, Literal

Field = Literal["user-agent", "host", "path", "header", "cookie"]
NAMED: Final = ("header", "cookie")
"""Fields of which a request has several, by their names."""

Match = Literal["present", "is", "contains", "starts", "ends"]
"""How a field is compared with a value; `present` is without one."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""What HTTP takes for the name of a header or a cookie."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")
_OWN_FIELD: Final = {"host": "host", "cookie": "cookie NAME"}
_OF_A_HOP: Final = frozenset(
    {
        "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Headers between a client and its proxy, which does with them as it likes."""
_OF_THE_PROXY: Final = ("x-envoy-", "x-forwarded-proto", "x-request-id", "x-trimtab-")
"""How headers begin that a proxy writes itself."""


def amiss_in_name(field: Field, name: str) -> str:
    """Gives what is expected of the name of a header or a cookie, where it is not that; nothing where it is.

    >>> amiss_in_name("header", "Host"), amiss_in_name("header", "X-Canary")
    ('the field `host` in place of that header', '')
    """
    if not _TOKEN.fullmatch(name):
        return "a name of letters, digits and !#$%&'*+-.^_`|~"
    if field != "header":
        return ""
    header = name.lower()
    if header in _OWN_FIELD:
        return f"the field `{_OWN_FIELD[header]}` in place of that header"
    if header in _OF_A_HOP:
        return "a header that proxies pass on"
    return "a header that the client sends, not the proxy" if header.startswith(_OF_THE_PROXY) else ""


def amiss_in_value(field: Field, match: Match, value: str) -> str:
    """Gives what is expected of a value, where it is not that; nothing where it is.

    >>> amiss_in_value("path", "is", "cart"), amiss_in_value("path", "ends", "cart")
    ('a path, which begins with /', '')
    """
    if not (value.isascii() and value.isprintable()):
        return "printable characters of ASCII"
    if value != value.strip(" "):
        return "no space at either end, which proxies take off"
    if field == "path" and match in ("is", "starts") and not value.startswith("/"):
        return "a path, which begins with /"
    allowed, expected = _VALUES[field]
    return "" if allowed.fullmatch(value) else expected


_NO_COMMA: Final = (re.compile("[^,]+"), "no comma, which stands between two values of a header")

_VALUES: Final[dict[Field, tuple[re.Pattern[str], str]]] = {
    "user-agent": _NO_COMMA,
    "header": _NO_COMMA,
    "cookie": (re.compile("[^;]+"), "no ;, which ends a cookie"),
    "host": (_HOST, "letters, digits, dots, - and _: a host is compared without its port"),
    "path": (re.compile("[^?#]+"), "no ? and no #: a path is compared without its query"),
}
"""What a value is made of, and how a message says so."""
