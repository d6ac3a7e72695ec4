"""`docs/conditions.md` says what the code does."""

import contextlib
import io
import re
from pathlib import Path

import yaml

from schemas.release_text import CANARY
from trimtab.schemas.condition import parse
from trimtab.schemas.release_file import load
from trimtab.schemas.request_match import Request, matches

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "conditions.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def request(words: str) -> Request:
    target, *lines = re.split(r"\s{2,}", words.strip())
    pairs = [line.partition(":") for line in lines]
    return Request(target, tuple((name, value.strip()) for name, _, value in pairs))


def test_the_examples_of_conditions_hold_for_the_requests_that_they_name() -> None:
    conditions, examples, _ = blocks("text")
    told = 0
    for line in [*conditions.splitlines(), *examples.splitlines()]:
        asked = re.fullmatch(r"  (holds for|but not for) +(/.*)", line)
        if asked is None:
            condition = parse(line)
        else:
            told += 1
            assert matches(condition, request(asked[2])) == (asked[1] == "holds for"), line
    assert told == 12


def test_the_example_of_a_release_file_is_one() -> None:
    (fields,) = blocks("yaml")
    document = yaml.safe_load(CANARY)
    document["spec"] |= yaml.safe_load(fields)
    (release,) = load(yaml.safe_dump(document), "f.yaml")
    assert release.spec.variants[1].condition_strength == 5_000


def test_the_example_of_acls_prints_what_is_shown() -> None:
    (program,), shown = blocks("python"), blocks("text")[-1]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(program, {})  # noqa: S102 - the document's own
    assert printed.getvalue() == shown
