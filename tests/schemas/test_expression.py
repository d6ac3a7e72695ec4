"""Expressions: what is one, what it means, and what is said of what is none."""

from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.trees import trees
from trimtab.schemas.expression import (
    MAX_LENGTH,
    MAX_NESTING,
    MAX_PARTS,
    NAMES,
    Binary,
    ExpressionError,
    Extreme,
    Name,
    Negative,
    Node,
    Number,
    Outcome,
    outcomes_in,
    parse,
    text_of,
)

ERRORS, RESPONSES = Name("errors"), Name("responses")


@given(trees)
def test_what_is_written_is_read_back(tree: Node) -> None:
    text = text_of(tree)
    assume(len(text) <= MAX_LENGTH)
    assert parse(text) == tree


@given(st.text(max_size=60))
@example("٣")
@example("1e5e5")
@example("((((((((((((((((((((((((")
@example("\x00")
def test_any_text_is_an_expression_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        parse(text)


pieces = st.sampled_from(
    (
        *NAMES[:3],
        "outcome",
        "(",
        ")",
        '"revenue"',
        ".sum",
        ".mean",
        ",",
        "+",
        "-",
        "*",
        "/",
        "1",
        "2.5",
        "max",
        "min",
        " ",
    )
)


@given(st.lists(pieces, max_size=30))
def test_any_row_of_pieces_is_an_expression_or_a_value_error(drawn: list[str]) -> None:
    with suppress(ValueError):
        tree = parse("".join(drawn))
        assert parse(text_of(tree)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1 + 2 * 3", Binary("+", Number(1), Binary("*", Number(2), Number(3)))),
        ("(1 + 2) * 3", Binary("*", Binary("+", Number(1), Number(2)), Number(3))),
        ("1 - 2 - 3", Binary("-", Binary("-", Number(1), Number(2)), Number(3))),
        ("8 / 4 / 2", Binary("/", Binary("/", Number(8), Number(4)), Number(2))),
        ("-errors * 2", Binary("*", Negative(ERRORS), Number(2))),
        ("--1", Negative(Negative(Number(1)))),
        ("1.5e-3", Number(0.0015)),
        ("\terrors\n/responses ", Binary("/", ERRORS, RESPONSES)),
        ("latency.p99_9", Name("latency.p99_9")),
        ('outcome("a b").mean', Outcome("a b", "mean")),
        (
            "max(1, errors, min(2, responses))",
            Extreme("max", (Number(1), ERRORS, Extreme("min", (Number(2), RESPONSES)))),
        ),
    ],
)
def test_signs_bind_as_in_arithmetic(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "column 1: expected a number, a name or an opening parenthesis, found the end"),
        ("errors /", "column 9: expected a number, a name or an opening parenthesis, found the end"),
        ("errors responses", "column 8: expected a sign or the end, found 'responses'"),
        ("1 + * 2", "column 5: expected a number, a name or an opening parenthesis, found '*'"),
        ("(1 + 2", "column 7: expected ')', found the end"),
        ("1 + 2)", "column 6: expected a sign or the end, found ')'"),
        ("1 > 2", "column 3: expected a number, a name, a sign or a parenthesis, found '>'"),
        ("errors; 1", "column 7: expected a number, a name, a sign or a parenthesis, found ';'"),
        ("1e999", "column 1: expected a finite number, found '1e999'"),
        ("1.", "column 2: expected a number, a name, a sign or a parenthesis, found '.'"),
        (".sum", "column 1: expected a number, a name or an opening parenthesis, found '.sum'"),
        ("max(1)", "column 6: expected ',', found ')'"),
        ("max 1", "column 5: expected '(', found '1'"),
        ("min(1, 2", "column 9: expected ')', found the end"),
        ("outcome", "column 8: expected '(', found the end"),
        ("outcome(a).sum", "column 9: expected a metric's name of 1 to 128 characters between quotes, found 'a'"),
        ('outcome("").sum', "column 9: expected a metric's name of 1 to 128 characters between quotes, found '\"\"'"),
        (f'outcome("{"m" * 129}").sum', "column 9: expected a metric's name of 1 to 128 characters"),
        ('outcome("a"', "column 12: expected ')', found the end"),
        ('outcome("a")', "column 13: expected one of .sum, .count, .mean, found the end"),
        ('outcome("a").median', "column 13: expected one of .sum, .count, .mean, found '.median'"),
        ('outcome("a) + 1', "column 9: expected a number, a name, a sign or a parenthesis, found '\"'"),
        ("__import__", "column 1: expected a known name, found '__import__'; known names: requests, responses, "),
        ("latency.p98", "latency.p99_9, outcome, min, max; did you mean latency.p9"),
        ("1 + eror", "column 5: expected a known name, found 'eror'; known names: "),
        ("1 + erors", "; did you mean errors?"),
        ("1" * (MAX_LENGTH + 1), "expected at most 500 characters, found 501"),
        ("(" * MAX_NESTING + "1" + ")" * MAX_NESTING,
         f"column {MAX_NESTING + 1}: expected at most 20 within each other"),
        ("-" * MAX_NESTING + "1", f"column {MAX_NESTING + 1}: expected at most 20 within each other"),
        ("1+" * (MAX_PARTS // 2) + "1", f"column {MAX_PARTS + 2}: expected at most 128 parts"),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert problem in str(refused.value)


def test_a_name_that_is_near_none_gets_no_question() -> None:
    with pytest.raises(ExpressionError) as refused:
        parse("zzz")
    assert str(refused.value).endswith("latency.p99_9, outcome, min, max")


def test_as_much_as_is_allowed_is_read() -> None:
    deepest = "(" * (MAX_NESTING - 1) + "1" + ")" * (MAX_NESTING - 1)
    assert parse(deepest) == Number(1)
    assert parse("1+" * (MAX_PARTS // 2 - 1) + "1")


def test_an_expression_tells_which_outcomes_it_reads() -> None:
    text = 'max(-outcome("a").sum, outcome("b").mean / 2, errors) + outcome("a").count'
    assert outcomes_in(parse(text)) == {"a", "b"}
