"""The language of queries over models, and preferences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from trimtab.schemas.model_query import MAX_CHECKS, MAX_LENGTH, MAX_NESTING, QueryError, parse
from trimtab.schemas.model_ref import ModelRef, parse_ref
from trimtab.schemas.model_term import All, Blessed, Bound, Not, OneOf, Private, RestsOn, Some, Tagged, Term
from trimtab.schemas.preference import Goal, ModelChoice, goals


def one(text: str) -> Term:
    (constraint,) = parse(text)
    assert constraint.text == text.strip()
    return constraint.term


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("blessed", Blessed()),
        ("NOT Blessed", Not(Blessed())),
        ("environment = production", OneOf("environment", frozenset({"production"}))),
        ("Region in (eu, us-1)", OneOf("region", frozenset({"eu", "us-1"}))),
        ('licence != "Apache-2.0"', Not(OneOf("licence", frozenset({"Apache-2.0"})))),
        ("alias is champion", OneOf("alias", frozenset({"champion"}))),
        ("name == digits", OneOf("name", frozenset({"digits"}))),
        ("version in (1,2)", OneOf("version", frozenset({"1", "2"}))),
        ("privacy <= internal", Private("<=", 1)),
        ("privacy >= CONFIDENTIAL", Private(">=", 2)),
        ("privacy = public", OneOf("privacy", frozenset({"public"}))),
        ("has tag team", Tagged("team", None)),
        ('tag team = "my team"', Tagged("team", "my team")),
        ("tag team != x", Not(Tagged("team", "x"))),
        ("lineage excludes dataset clicks", Not(RestsOn(ModelRef("dataset/clicks")))),
        ("lineage includes model digits:2", RestsOn(ModelRef("model/digits:2"))),
        ("project = post", RestsOn(ModelRef("project/post"))),
        ("accuracy >= 0.95", Bound("accuracy", ">=", 0.95)),
        ("development.accuracy > .5", Bound("accuracy", ">", 0.5)),
        ("serving.p99_ms[eu-1] <= 2e1", Bound("serving.p99_ms[eu-1]", "<=", 20.0)),
        ("drift != -1", Bound("drift", "!=", -1.0)),
        ("(blessed or has tag a and auc < 1)",
         Some((Blessed(), All((Tagged("a", None), Bound("auc", "<", 1.0)))))),
    ],
)  # fmt: skip
def test_what_a_constraint_means(text: str, term: Term) -> None:
    assert one(text) == term


def test_constraints_keep_the_text_that_they_were_written_as() -> None:
    found = parse("  blessed and  not (auc<1 or cost >2)&& environment in (a , b) ")
    assert [constraint.text for constraint in found] == ["blessed", "not (auc<1 or cost >2)", "environment in (a , b)"]
    assert parse("") == parse("  ") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accuracy", "column 9: expected one of >=, >, <=, <, =, !=, found the end"),
        ("accuracy >= high", "column 13: expected a number to compare accuracy with, found 'high'"),
        ("accuracy >= nan", "expected a number"),
        ("accuracy >= 1e999", "expected a number"),
        ("blessed or has tag a", "column 9: expected and, or the end; `or` stands between parentheses, found 'or'"),
        ("blessed and", "column 12: expected a constraint after and, found the end"),
        ("(blessed", "column 9: expected ')', found the end"),
        ("privacy <= secret", "column 12: expected one of public, internal, confidential, restricted, found 'secret'"),
        ("licence >= MIT", "licence compares with =, != or in, not with >="),
        ("privacy > public", "privacy compares with =, !=, <=, >= or in, not with >"),
        ("lineage excludes datset x", "found 'datset'; did you mean dataset?"),
        ("lineage without dataset x", "column 9: expected includes or excludes, found 'without'"),
        ("lineage excludes model digits", "expected a model as NAME:VERSION"),
        ("project >= a", "project to be compared with = or !="),
        ("tag a >= b", "tag a to be compared with = or !="),
        ("has label x", "column 5: expected tag, found 'label'"),
        ("Accuracy >= 1", "expected a property, or a figure such as accuracy"),
        ("tag = x", "column 5: expected the name of a tag, found '='"),
        ('name = "a', "expected a closing quote, found the end"),
        ("name in (a b)", "expected ')', found 'b'"),
        (f"name = {'a' * 129}", "expected a value of name of 1 to 128 characters"),
        ('name = ""', "of 1 to 128 characters"),
        ("name = a | b", "expected a word"),
        ("= a", "column 1: expected a property, a figure, or one of blessed, has, tag, lineage, not, found '='"),
        ("__import__('os')", "expected a property, or a figure"),
    ],
)  # fmt: skip
def test_what_is_no_query_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert told in str(caught.value)


def test_a_query_is_bounded() -> None:
    for text, told in (
        ("blessed and " * 200, f"expected at most {MAX_LENGTH} characters"),
        (" and ".join(["blessed"] * (MAX_CHECKS + 1)), f"expected at most {MAX_CHECKS} checks"),
        ("(" * (MAX_NESTING + 1) + "blessed", f"expected at most {MAX_NESTING} within each other"),
    ):
        with pytest.raises(QueryError, match=told):
            parse(text)


_PIECES = st.sampled_from([*' ()=!<>,"\\[].&|', "blessed ", "and ", "not ", "tag ", "accuracy", "1", " in "])


@given(st.lists(_PIECES).map("".join))
def test_any_text_is_a_query_or_refused_as_none(text: str) -> None:
    try:
        found = parse(text)
    except QueryError:
        return
    rebuilt = " and ".join(constraint.text for constraint in found)
    assert [constraint.term for constraint in parse(rebuilt)] == [constraint.term for constraint in found]


@pytest.mark.parametrize("text", ["digits", "digits:", ":2", "dataset/a:1", "x/y", "dataset/", "dataset/a b", "a:1\n"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_ref(text)


def test_a_preference_is_an_order_or_weights() -> None:
    order = ModelChoice.model_validate({"where": "blessed", "prefer": ["accuracy", "max cost"]})
    assert [each.goal for each in goals(order.prefer)] == [
        Goal("accuracy", is_less_better=False),
        Goal("cost", is_less_better=False),
    ]
    weights = ModelChoice.model_validate({"prefer": {"accuracy": 0.7, "serving.p99_ms[eu]": 0.3}})
    assert goals(weights.prefer)[1] == (Goal("serving.p99_ms[eu]", is_less_better=True), 0.3)


@pytest.mark.parametrize("prefer", [
    ["Accuracy"], ["accuracy", "min accuracy"], {"accuracy": 0}, {"accuracy": float("inf")}, {}, ["a"] * 9, "accuracy",
    ["best accuracy"],
])  # fmt: skip
def test_what_is_no_preference_is_refused(prefer: object) -> None:
    with pytest.raises(ValidationError):
        ModelChoice.model_validate({"prefer": prefer})
