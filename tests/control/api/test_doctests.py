"""The examples in the docstrings of the API."""

import doctest
import importlib
import pkgutil

import pytest

import trimtab.control.api

MODULES = [found.name for found in pkgutil.iter_modules(trimtab.control.api.__path__, "trimtab.control.api.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
