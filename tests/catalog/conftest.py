"""The stores of the catalogue, each of which passes the same tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.arango import arango_store
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.store import Store


@pytest.fixture(params=["sqlite", pytest.param("arango", marks=pytest.mark.docker)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "catalog.db")
        yield opened
        opened.close()
    else:
        yield from arango_store()
