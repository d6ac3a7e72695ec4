"""ArangoDB in a container, for the stores' tests."""

from collections.abc import Iterator

import pytest

from trimtab.catalog.store import Store


def arango_store() -> Iterator[Store]:
    """Gives an empty catalogue on ArangoDB; skips where none can be started."""
    pytest.skip("to come")
    yield
