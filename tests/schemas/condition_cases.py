"""What conditions are tried with: each kind of check, what is awkward about it, and requests that tell them apart."""

from collections.abc import Iterable
from random import Random
from typing import Final

from trimtab.schemas.condition import MAX_VALUE, All, Check, Condition, Not, Some, parse
from trimtab.schemas.request_match import Request

_WRITTEN: Final = r"""
user-agent = android
user-agent starts with MOZILLA
user-agent ends with "mobile safari"
header user-agent = curl/8.0
user-agent != Firefox and user-agent != curl
host = shop.example
host != Shop.Example
host contains shop
host contains 80
host starts with SHOP
host ends with .example
host = a_b.example or host = shopXexample
path = /checkout
path starts with /checkout
path ends with /pay
path contains out
path contains -i
path = /a%20b
path starts with "/+.(*)[x]{1}^$|\\"
not path starts with /checkout
has header X-Canary
misses header X-Canary
header X-Canary = yes
header X-Canary != yes
header X-Canary contains e
header X-Canary misses e
header X-Canary starts with y
header X-Canary ends with s
header x-group = "a b"
header X-Group = "it's"
header X-Group = "say \"hi\" # 100% $HOME {a} \\ --"
header X-Group = "}"
header X-Group = "-i"
header X-Group contains "'"
header X-Group contains -i
header "x-odd!#$%&*+^|~" = 1
header X-Forwarded-For starts with 10.
header Accept-Language starts with de
header Referer contains example
has cookie group
misses cookie group
has cookie Group
cookie group = beta
cookie group != beta
cookie group contains et
cookie group misses et
cookie group starts with b
cookie group ends with a
cookie group = "beta, gamma"
cookie group = "\"beta\""
cookie group = "a=b"
cookie group = "x.y*(z)[0]+?^$|\\<>'`"
cookie id.x = 1
cookie id-x = 1
host = shop.example and (user-agent = Android or cookie group = beta) and not has header X-Canary
user-agent = Android and (host = shop.example or not cookie group contains beta)
not (header X-Canary = yes or header X-Group = "a b") and path starts with /
(path = /checkout or path = /a%20b) and (header X-Canary = yes or header X-Canary = no or misses header X-Canary)
"""


_CHECKS: Final = (
    Check("user-agent", "contains", "Android"),
    Check("host", "is", "shop.example"),
    Check("host", "ends", "example"),
    Check("path", "starts", "/checkout"),
    Check("path", "is", "/"),
    Check("header", "present", name="x-canary"),
    Check("header", "is", "yes", "x-canary"),
    Check("header", "ends", "b", "x-group"),
    Check("cookie", "is", "beta", "group"),
    Check("cookie", "present", name="id"),
)


def _drawn(draw: Random, depth: int) -> Condition:
    kind = draw.randrange(4) if depth else 0
    if kind == 0:
        return draw.choice(_CHECKS)
    if kind == 1:
        return Not(_drawn(draw, depth - 1))
    parts = tuple(_drawn(draw, depth - 1) for _ in range(draw.randint(2, 3)))
    return All(parts) if kind == 2 else Some(parts)


_PIXEL: Final = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari"
_HOSTS: Final = (
    "shop.example",
    "SHOP.example:8080",
    "my.shop.example",
    "a_b.example",
    "shopXexample",
    "blog.test:80",
    "shop80.test",
)
_TARGETS: Final = (
    "/", "/checkout", "/checkout?out=1", "/Checkout", "/checkout/pay", "/checkout/pay?x=1", "/other?/checkout",
    "/a%20b", "/a?b?c", r"/+.(*)[x]{1}^$|\/y", "/pay?", "//checkout", "/a-i",
)  # fmt: skip
_AGENTS: Final = ("", _PIXEL, "curl/8.0", "Firefox on android")
_LINES: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (),
    (("X-Canary", "yes"),),
    (("x-canary", " yes\t"),),
    (("X-Canary", "YES"),),
    (("X-Canary", ""),),
    (("X-Canary", "oh-yes"),),
    (("X-Canary", "no"), ("X-Canary", "yes")),
    (("X-Canary", "yes"), ("X-Other", "1"), ("x-canary", "yes")),
    (("X-Canary", "yes,yes"),),
    (("X-Canary", ""), ("X-Canary", "yes")),
    (("X-Group", "a b"),),
    (("X-Group", "a  b"),),
    (("X-Group", "it's"),),
    (("X-Group", r'say "hi" # 100% $HOME {a} \ --'),),
    (("X-Group", "}"), ("X-Group", "-i")),
    (("X-Group", "}"),),
    (("X-Group", "-i"),),
    (("X-Group", "caf\xc3\xa9 b"),),
    (("X-Group", "\xff b"),),
    (("x-odd!#$%&*+^|~", "1"),),
    (("X-Forwarded-For", "10.1.2.3"),),
    (("X-Forwarded-For", "192.0.2.1, 10.1.2.3"),),
    (("Accept-Language", "de-AT,de;q=0.9"), ("Referer", "https://blog.example/")),
)
_COOKIES: Final[tuple[tuple[str, ...], ...]] = (
    (),
    ("group=beta",),
    ("group=beta; id=7",),
    ("id=7;group=beta;",),
    ("id=7;\tgroup=beta ; x=y",),
    ("Group=beta",),
    ("group=Beta",),
    ("group=",),
    ("group",),
    ("mygroup=beta; group=alpha",),
    ("group=alpha; group=beta",),
    ("group=alpha; other=beta",),
    ("group=beta, gamma",),
    ('group="beta"',),
    ('x="; group=beta"',),
    ("group=a=b",),
    (r"group=x.y*(z)[0]+?^$|\<>'`",),
    ("idxx=1; id-x=1",),
    ("id.x=1",),
    ("id=7", "group=beta"),
    ("x=\xff\xfe; group=beta; y=\xc3",),
    ("x=1, group=beta",),
    ("",),
)


def _requests() -> list[Request]:
    """Requests that differ from a plain one in one thing, and some that differ in several."""
    single = [
        *map(_request, _HOSTS),
        *(_request("blog.test", target) for target in _TARGETS),
        *(_request("blog.test", agent=agent) for agent in _AGENTS),
        *(_request("blog.test", lines=lines) for lines in _LINES),
        *(_request("blog.test", cookies=cookies) for cookies in _COOKIES),
        _request("blog.test", lines=[("User-Agent", "curl/8.0"), ("User-Agent", "Android")]),
        _request("shop.example", "/checkout"),
        _request(
            "h" * MAX_VALUE,
            f"/{'.' * (MAX_VALUE - 1)}",
            "u" * MAX_VALUE,
            [("X-Long", "\\" * MAX_VALUE)],
            [f"{'a' * (MAX_VALUE // 2)}={'[' * (MAX_VALUE // 2)}"],
        ),
    ]
    draw = Random(7)
    several = [
        _request(
            draw.choice(_HOSTS), draw.choice(_TARGETS), draw.choice(_AGENTS), draw.choice(_LINES), draw.choice(_COOKIES)
        )
        for _ in range(150)
    ]  # fmt: skip
    return [*single, *several]


def _request(
    host: str, target: str = "/", agent: str = "", lines: Iterable[tuple[str, str]] = (), cookies: Iterable[str] = ()
) -> Request:
    agents = [("User-Agent", agent)] if agent else []
    return Request(target, (("Host", host), *agents, *lines, *(("Cookie", one) for one in cookies)))


WRITTEN: Final = [parse(line) for line in _WRITTEN.splitlines() if line]
"""What a person might write."""
LONGEST: Final[list[Condition]] = [
    parse(f'{field} {operator} "{value}"')
    for field, value in {
        "user-agent": "u" * MAX_VALUE, "host": "h" * MAX_VALUE, "path": f"/{'.' * (MAX_VALUE - 1)}",
        "header X-Long": "\\\\" * MAX_VALUE, f"cookie {'a' * (MAX_VALUE // 2)}": "[" * (MAX_VALUE // 2),
    }.items()
    for operator in ("=", "contains", "starts with", "ends with")
]  # fmt: skip
"""Of which a proxy makes the most that a condition may ask for."""
CONDITIONS: Final = list(dict.fromkeys([*WRITTEN, *LONGEST, *(_drawn(Random(seed), 3) for seed in range(80))]))
REQUESTS: Final = _requests()
