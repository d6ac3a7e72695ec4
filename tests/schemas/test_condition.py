"""Conditions: what is one, what it means, and what is said of what is none."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.conditions import conditions, requests
from trimtab.schemas.condition import (
    MAX_CHECKS,
    MAX_LENGTH,
    MAX_NESTING,
    All,
    Check,
    Condition,
    ConditionError,
    Not,
    Some,
    parse,
    text_of,
)
from trimtab.schemas.request_match import Request, matches
from trimtab.schemas.ways import MAX_WAYS, ways

ANDROID = Check("user-agent", "contains", "Android")
SHOP = Check("host", "is", "shop.example")
CANARY = Check("header", "present", name="x-canary")
BETA = Check("cookie", "contains", "beta", "group")


@given(conditions)
def test_what_is_written_is_read_back(condition: Condition) -> None:
    assert parse(text_of(condition)) == condition


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        parse(text)


pieces = st.sampled_from(
    (*'()!"=&|', "user-agent", "host", "path", "header", "cookie", "X-A", "a", "/a", "=", "!=", "is", "not", "has",
     "misses", "contains", "starts", "ends", "with", "and", "or", '"a b"', '"', "\\", "\x00", "\u00e9")
)  # fmt: skip


@given(st.lists(pieces, max_size=20).map(" ".join))
def test_any_row_of_pieces_is_a_condition_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        condition = parse(text)
        assert parse(text_of(condition)) == condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("user-agent = Android", ANDROID),
        ("User-Agent==Android", ANDROID),
        ("USER.AGENT is Android", ANDROID),
        ("useragent has Android", ANDROID),
        ("user-agent contains Android", ANDROID),
        ("user-agent != Android", Not(ANDROID)),
        ("user-agent is not Android", Not(ANDROID)),
        ("user-agent misses Android", Not(ANDROID)),
        ("not user-agent = Android", Not(ANDROID)),
        ("! user-agent = Android", Not(ANDROID)),
        ("not not host = shop.example", Not(Not(SHOP))),
        ('host = "shop.example"', SHOP),
        ("has header X-Canary", CANARY),
        ("Has Header x-canary", CANARY),
        ("misses header X-Canary", Not(CANARY)),
        ("has cookie Group", Check("cookie", "present", name="Group")),
        ("cookie group has beta", BETA),
        ("cookie group contains beta", BETA),
        ("cookie group misses beta", Not(BETA)),
        ('header X-Group = "a \\"b\\" \\\\"', Check("header", "is", 'a "b" \\', "x-group")),
        ("path starts with /checkout", Check("path", "starts", "/checkout")),
        ("host ENDS WITH .example", Check("host", "ends", ".example")),
        ("header and = or", Check("header", "is", "or", "and")),
        ("host = not", Check("host", "is", "not")),
    ],
)
def test_a_check_may_be_written_as_in_the_original_and_more_plainly(text: str, condition: Condition) -> None:
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("user-agent = Android and host = shop.example", All((ANDROID, SHOP))),
        ("user-agent = Android && host = shop.example & has header X-Canary", All((ANDROID, SHOP, CANARY))),
        ("user-agent = Android || host = shop.example | has header X-Canary", Some((ANDROID, SHOP, CANARY))),
        ("user-agent = Android OR host = shop.example AND has header X-Canary", Some((ANDROID, All((SHOP, CANARY))))),
        ("(user-agent = Android or host = shop.example) and has header X-Canary", All((Some((ANDROID, SHOP)), CANARY))),
        ("not user-agent = Android and host = shop.example", All((Not(ANDROID), SHOP))),
        ("not (user-agent = Android and host = shop.example)", Not(All((ANDROID, SHOP)))),
        ("((host = shop.example))", SHOP),
    ],
)
def test_not_binds_tighter_than_and_than_or(text: str, condition: Condition) -> None:
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: expected one of user-agent, host, .* parenthesis, found the end$"),
        ("  ", "column 3: expected one of user-agent, "),
        ("hots = a", "column 1: expected one of user-agent, .*, found 'hots'; did you mean host[?]"),
        ("method = GET", "column 1: expected one of user-agent, .*, found 'method'"),
        ("host equals a", "column 6: expected one of =, !=, .*, found 'equals'"),
        ("host contain a", "column 6: .* found 'contain'; did you mean contains[?]"),
        ("host = a adn path = /", "column 10: expected and, or, or the end, found 'adn'; did you mean and[?]"),
        ("host = a path = /", "column 10: expected and, or, or the end, found 'path'"),
        ("(host = a or has header X", "column 26: expected '[)]', found the end"),
        ("host = a)", "column 9: expected and, or, or the end, found '[)]'"),
        ("()", "column 2: expected one of user-agent, "),
        ("host = a and", "column 13: expected one of user-agent, .*, found the end"),
        ("host =", "column 7: expected a value, found the end"),
        ("host = (a)", "column 8: expected a value, found '[(]'"),
        ('host = ""', "column 8: expected a value of 1 to 72 characters"),
        (f"path = /{'a' * 72}", "column 8: expected a value of 1 to 72 characters"),
        ('header X = "a', "column 12: expected a closing quote, found the end"),
        ("has X-Canary", "column 5: expected header or cookie, found 'X-Canary'"),
        ("has haeder X", "column 5: expected header or cookie, found 'haeder'; did you mean header[?]"),
        ("header = yes", "column 8: expected a name, found '='"),
        ("path starts /a", "column 13: expected with, found '/a'"),
        ("has header X:Canary", "column 12: expected a name of letters, digits and .*, found 'X:Canary'"),
        ('has header "X Canary"', "column 12: expected a name of letters, "),
        ('header "X\r\nY" = a', "column 8: expected a name of letters, "),
        ("has header \u00fcber", "column 12: expected a name of letters, "),
        ("header Host = a", "column 8: expected the field `host` in place of that header, found 'Host'"),
        ("has header cookie", "column 12: expected the field `cookie NAME` in place of that header"),
        ("header :path = /a", "column 8: expected a name of letters, "),
        ("has header Transfer-Encoding", "column 12: expected a header that proxies pass on, found"),
        ("has header X-Request-Id", "column 12: expected a header that the client sends, not the proxy"),
        ('header X = "a\x00b"', "column 12: expected printable characters of ASCII, found '\"a.x00b\"'"),
        ('header X = "a\r\nX: b"', "column 12: expected printable characters of ASCII"),
        ("header X = caf\u00e9", "column 12: expected printable characters of ASCII"),
        ('header X = " a"', "column 12: expected no space at either end"),
        ('header X = "a, b"', "column 12: expected no comma, "),
        (f"cookie a = {'b' * 72}", "column 12: expected a name and a value of at most 72 characters together"),
        ('cookie a = "b; c"', "column 12: expected no ;, which ends a cookie"),
        ("host = shop.example:8080", "column 8: expected letters, .*: a host is compared without its port"),
        ('path = "/a?b=c"', "column 8: expected no [?] and no #: a path is compared without its query"),
        ("path = checkout", "column 8: expected a path, which begins with /, found 'checkout'"),
        ("< hdr_sub(user-agent) Chrome >", "column 1: expected a word, a text between double quotes, .* found '<'"),
        ("{ hdr_sub(user-agent) Chrome }", "column 1: expected a word, .* found '{'"),
        (f"host = {'a' * MAX_LENGTH}", f"expected at most {MAX_LENGTH} characters, found {MAX_LENGTH + 7}"),
        (f"{'(' * 400}host = a{')' * 400}", f"column 21: expected at most {MAX_NESTING} within each other"),
        (f"{'not ' * 200}host = a", f"column 81: expected at most {MAX_NESTING} within each other"),
        (" or ".join(["host = a"] * 40), f"expected at most {MAX_CHECKS} checks"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_told_with_its_place_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message):
        parse(text)


@given(conditions, requests)
def test_a_condition_holds_where_one_of_its_ways_does(condition: Condition, request: Request) -> None:
    held = [all(matches(check, request) == holds for check, holds in way) for way in ways(condition)]
    assert any(held) == matches(condition, request)


@given(conditions)
def test_no_way_needs_all_that_another_needs(condition: Condition) -> None:
    found = [set(way) for way in ways(condition)]
    assert not any(one <= other for one in found for other in found if one is not other)


def test_what_cannot_hold_has_no_way() -> None:
    assert ways(parse("host = a and host != a")) == ()


@pytest.mark.parametrize("around", ["{}", "not ({})", "has header A and not ({})"])
def test_what_holds_together_is_never_taken_for_what_holds_one_by_one(around: str) -> None:
    both, either = (parse(around.format(f"has header X {sign} has header Y")) for sign in ("and", "or"))
    assert both != either
    assert {len(ways(both)), len(ways(either))} == {1, 2}  # one after the other, as one sidecar asks for them


def test_a_condition_of_too_many_ways_is_refused_with_what_multiplies_them() -> None:
    pairs = " and ".join(f"(path contains a{number} or host contains a{number})" for number in range(7))
    with pytest.raises(
        ConditionError, match=f"at most {MAX_WAYS} ways, found more: an `or` within an `and` multiplies"
    ):
        ways(parse(pairs))


def test_an_absent_header_is_like_nothing() -> None:
    request = Request("/", (("Host", "a"),))
    assert not matches(parse("header X = a"), request)
    assert matches(parse("header X != a"), request)
