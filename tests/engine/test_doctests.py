"""The examples in the docstrings of the engine."""

import doctest
import importlib
import pkgutil

import pytest

import trimtab.engine

MODULES = [found.name for found in pkgutil.walk_packages(trimtab.engine.__path__, "trimtab.engine.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_main_concepts_have_an_example() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    attempted = {
        name for name in MODULES if any(found.examples for found in finder.find(importlib.import_module(name)))
    }
    concepts = ("allocation", "best", "posterior", "sketch", "window")
    assert {f"trimtab.engine.{concept}" for concept in concepts} <= attempted
