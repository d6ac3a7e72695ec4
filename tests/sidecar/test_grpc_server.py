"""What gRPC says about streams that are cut off is kept out of the log, and nothing else is."""

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from sidecar.recorder import Recorder
from trimtab.sidecar.endpoint import SocketTaken
from trimtab.sidecar.envoy.access_log import AccessLog
from trimtab.sidecar.envoy.discovery import Discovery
from trimtab.sidecar.envoy.grpc_server import grpc_server


class ExecuteBatchError(Exception):
    """Named as gRPC's own."""


async def serve_once(path: Path) -> None:
    server = grpc_server(path, Discovery(("checkout",)), AccessLog(Recorder()))
    await server.start()
    await server.stop(grace=0)


@pytest.fixture(autouse=True)
def a_server_was_made() -> None:
    with TemporaryDirectory(prefix="trimtab-") as folder:
        asyncio.run(serve_once(Path(folder) / "s"))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_stream_that_is_cut_off_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("grpc._cython.cygrpc")
    log.error("Aborting method [%s] due to server stop.", "/StreamRoutes")
    log.error("ExecuteBatchError raised in core by servicer method [%s]", "/StreamRoutes")
    log.error("Unexpected exception", exc_info=ExecuteBatchError())
    assert said(caplog) == []


def test_anything_else_that_goes_wrong_is(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("grpc._cython.cygrpc").error("Unexpected [%s] raised", "ValueError", exc_info=ValueError())
    assert said(caplog) == ["Unexpected [ValueError] raised"]


def test_a_path_that_cannot_be_bound_is_an_error() -> None:
    async def bind() -> None:
        grpc_server(Path("/nowhere/at/all.sock"), Discovery(("checkout",)), AccessLog(Recorder()))

    with pytest.raises(SocketTaken, match="socket /nowhere/at/all"):
        asyncio.run(bind())
