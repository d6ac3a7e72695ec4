"""What people read at a terminal is as it was; who changes it on purpose writes it anew."""

import pytest

from control.printed import FOLDER, TEXTS
from trimtab.control.reference import commands, reference


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_of_a_command_is_as_recorded(name: str) -> None:
    recorded = (FOLDER / f"{name}.txt").read_text()
    assert TEXTS[name]() == recorded, "run: python -m control.printed, in tests"


def test_nothing_is_recorded_that_no_command_prints() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(TEXTS)


def test_the_reference_of_the_command_line_is_up_to_date() -> None:
    recorded = (FOLDER.parents[2] / "docs" / "cli.md").read_text()
    assert reference() == recorded, "run: python -m trimtab.control.reference > docs/cli.md"


@pytest.mark.parametrize("typed", commands())
def test_every_command_has_an_example_that_its_own_parser_takes_for_one_of_it(typed: str) -> None:
    told = commands()[typed].help or ""
    assert f"{typed}" in told.partition("Example")[2]
