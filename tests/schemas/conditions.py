"""Conditions and requests, drawn at random, and built of what a person may write."""

from hypothesis import strategies as st

from trimtab.schemas.condition import All, Check, Condition, Not, Some
from trimtab.schemas.request_match import Request

_words = st.sampled_from(("a", "B", "ab", "b.a", "a-b"))
_compared = st.sampled_from(("is", "contains", "starts", "ends"))

_names = st.sampled_from(("x-a", "x-b"))
_nameless = st.just("")

checks: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Check, st.just("user-agent"), st.sampled_from(("contains", "starts", "ends")), _words, _nameless),
    st.builds(Check, st.just("host"), _compared, _words, _nameless),
    st.builds(Check, st.just("path"), _compared, _words.map("/{}".format), _nameless),
    st.builds(Check, st.just("header"), _compared, _words, _names),
    st.builds(Check, st.just("cookie"), _compared, _words, st.sampled_from(("A", "a"))),
    st.builds(Check, st.sampled_from(("header", "cookie")), st.just("present"), st.just(""), _names),
)


def _grown(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, parts), st.builds(All, several), st.builds(Some, several))


conditions = st.recursive(checks, _grown, max_leaves=6)

_lines = st.one_of(
    st.tuples(st.sampled_from(("X-A", "x-b", "User-Agent")), _words),
    st.tuples(st.just("Cookie"), st.lists(st.builds("{}={}".format, st.sampled_from("Aa"), _words)).map("; ".join)),
)
requests = st.builds(
    lambda path, host, lines: Request(f"/{path}?a=/a", (("Host", f"{host}:80"), *lines)),
    _words, _words, st.lists(_lines, max_size=4),
)  # fmt: skip
