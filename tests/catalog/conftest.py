"""The stores of the catalogue, each of which passes the same tests."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from catalog import arango
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.store import Store

_numbers = count()


@pytest.fixture(scope="session")
def arango_url() -> Iterator[str]:
    with arango.server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("arango", marks=pytest.mark.docker)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "catalog.db")
        yield opened
        opened.close()
    else:
        yield from arango.empty_catalogue(request.getfixturevalue("arango_url"), f"catalog-{next(_numbers)}")
