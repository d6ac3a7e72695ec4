"""ArangoDB in a container, for the stores' tests."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trimtab.catalog.address import open_store
from trimtab.catalog.store import Store

IMAGE = "arangodb:3.12"
_PASSWORD = "trimtab"  # noqa: S105 - of a container that ends with the test


@contextmanager
def server() -> Iterator[str]:
    """Gives the URL of a database on an ArangoDB that ends with the block; skips where none can be started."""
    pytest.importorskip("arango", reason="python-arango is not installed: the extra `arango`")
    from docker.errors import DockerException  # noqa: PLC0415 - slow to import, and only for this
    from testcontainers.community.arangodb import ArangoDbContainer  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of testcontainers' own waiting
            container = ArangoDbContainer(IMAGE, arango_root_password=_PASSWORD).start()
    except (DockerException, TimeoutError) as error:
        pytest.skip(f"no Docker engine that runs {IMAGE}: {error}")
    try:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(container.port)}"
        yield f"arango://root:{_PASSWORD}@{address}"
    finally:
        container.stop()


def empty_catalogue(url: str, name: str) -> Iterator[Store]:
    """Gives an empty catalogue, in a database of its own."""
    from arango import ArangoClient  # noqa: PLC0415 - an extra

    client = ArangoClient(hosts=f"http://{url.rpartition('@')[2]}")
    system = client.db("_system", "root", _PASSWORD)
    system.create_database(name)
    store = open_store(f"{url}/{name}")
    yield store
    store.close()
    system.delete_database(name)
    client.close()
