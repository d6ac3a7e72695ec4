# ruff: noqa: S310 - on loopback

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop.py"


@contextmanager
def shop(*options: str) -> Iterator[str]:
    """A shop that runs, by its URL; that it ends well when it is told to is a part of it."""
    command = [sys.executable, str(SHOP), "v2", "--listen", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().removeprefix('listening on ').strip()}"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_a_shop_answers_with_its_version() -> None:
    with shop("--latency-ms", "0") as url, urlopen(f"{url}/", timeout=60) as response:
        assert json.load(response) == {"version": "v2", "failed": False}


def test_a_shop_that_fails_is_healthy_all_the_same() -> None:
    with shop("--fails", "1") as url:
        with pytest.raises(HTTPError, match="500"):
            urlopen(f"{url}/", timeout=60)
        with urlopen(f"{url}/health", timeout=60) as response:
            assert response.status == 200


@pytest.mark.parametrize("address", ["8000", ":8000", "127.0.0.1:http"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    command = [sys.executable, str(SHOP), "v2", "--listen", address]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert f"expected HOST:PORT, got '{address}'" in refused.stderr
