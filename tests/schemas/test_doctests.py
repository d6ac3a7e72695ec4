"""The examples in the docstrings of the public contract, the client, the sidecars and the catalogue."""

import doctest
import importlib
import pkgutil

import pytest

import trimtab.catalog
import trimtab.client
import trimtab.schemas
import trimtab.sidecar

PACKAGES = (trimtab.schemas, trimtab.client, trimtab.sidecar, trimtab.catalog)
MODULES = [found.name for one in PACKAGES for found in pkgutil.walk_packages(one.__path__, f"{one.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
