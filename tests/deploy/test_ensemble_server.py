"""The ensemble server of the examples: what models answer, do not answer, and what is no request."""

# ruff: noqa: S310 - on loopback

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from msgspec.structs import replace
from redis import Redis

from integration.model_server import (
    SERVER,
    ModelServer,
    Outputs,
    Said,
    data_of,
    ensemble_server,
    graph,
    infer,
    probabilities,
)
from schemas.records import ENSEMBLE
from trimtab.schemas import decision as decisions
from trimtab.schemas.redis_keys import weights_key
from trimtab.schemas.topics import LABELS, TELEMETRY
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration

RECORD = replace(ENSEMBLE, release="digits", baseline="v1", weights={"v1": 4_000, "v2": 6_000})
assert RECORD.ensemble is not None
RECORD = replace(RECORD, ensemble=replace(RECORD.ensemble, combine="mean"))
LATE, BROKEN, GARBAGE, NO_PROTOCOL, NO_NUMBERS, NUMBERS, ALL_BROKEN = (float(number) for number in range(1, 8))
"""Images on which models do as these say; on all others they answer well."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of an ensemble of two, that has its weights."""
    hold = threading.Event()
    with ExitStack() as stack:
        kafka = stack.enter_context(EmbeddedKafka({TELEMETRY: 1, LABELS: 1}))
        redis = stack.enter_context(EmbeddedRedis())
        with Redis.from_url(redis.url) as client:
            client.hset(weights_key("digits"), mapping={"weights": decisions.encode(RECORD)})
        saying: dict[str, Said] = {"v1": first, "v2": partial(second, hold)}
        models = {name: stack.enter_context(ModelServer(said)).url for name, said in saying.items()}
        stack.callback(hold.set)
        file = tmp_path_factory.mktemp("graph") / "graph.json"
        file.write_text(graph(models, timeout="1s"))
        served = stack.enter_context(ensemble_server(file, kafka=kafka.bootstrap, redis=redis.url))
        end_s = time.monotonic() + 20
        while set(asked_of(served, 0.0)) != {"v1", "v2"}:
            assert time.monotonic() < end_s, "no weights in 20 s"
        yield served


def first(image: list[float]) -> Outputs:
    if image[0] == ALL_BROKEN:
        raise RuntimeError
    if image[0] == NUMBERS:
        return [{"name": "y", "shape": [1], "datatype": "FP32", "data": [10.0]}]
    return probabilities([0.0] * 7 + [0.9, 0.1])


def second(hold: threading.Event, image: list[float]) -> Outputs | bytes:
    if image[0] == LATE:
        hold.wait(30)
    if image[0] in (BROKEN, ALL_BROKEN):
        raise RuntimeError
    if image[0] == NUMBERS:
        return [{"name": "y", "shape": [1], "datatype": "FP64", "data": [20.0]}]
    one = probabilities([0.0, 0.8] + [0.0] * 5 + [0.2])
    said: dict[float, Outputs | bytes] = {GARBAGE: b"{", NO_PROTOCOL: b"[]", NO_NUMBERS: probabilities([7.5])}
    return said.get(image[0], one)


def asked_of(url: str, image: float) -> dict[str, bool]:
    """Who was asked, and whether it answered."""
    asked: dict[str, bool] = infer(url, [image])["parameters"]["asked"]
    return asked


def test_probabilities_of_all_members_come_to_one_answer(url: str) -> None:
    answer = infer(url, [0.0], "r-1")
    assert (answer["model_name"], answer["id"]) == ("digits", "r-1")
    assert answer["parameters"] == {"path": ["all"], "asked": {"v1": True, "v2": True}}
    assert data_of(answer, "label") == ["1"]
    shares = dict(zip(data_of(answer, "classes"), data_of(answer, "probabilities"), strict=True))
    assert (shares["7"], shares["1"], shares["8"]) == pytest.approx((0.48, 0.48, 0.04))
    assert infer(url, [0.0])["id"] != ""
    with urlopen(f"{url}/v2/health/ready", timeout=60) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "image", [LATE, BROKEN, GARBAGE, NO_PROTOCOL, NO_NUMBERS], ids=["late", "broken", "garbage", "other", "no numbers"]
)
def test_a_model_that_does_not_answer_well_in_time_is_left_out(image: float, url: str) -> None:
    answer = infer(url, [image])
    assert answer["parameters"]["asked"] == {"v1": True, "v2": False}
    assert data_of(answer, "label") == ["7"]


def test_numbers_are_answers_too(url: str) -> None:
    assert data_of(infer(url, [NUMBERS]), "value") == [pytest.approx(16.0)]


def test_where_no_model_answers_the_status_says_so(url: str) -> None:
    with pytest.raises(HTTPError) as refused:
        infer(url, [ALL_BROKEN], "r-2")
    assert refused.value.code == 502
    assert json.load(refused.value) == {"error": "all: no member of v1, v2 answered", "id": "r-2"}


def test_what_is_no_request_is_refused(url: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        infer(url, [0.0], path="/v2/models/other/infer")
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{url}/anywhere", timeout=60)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    for size in ("", "-1", "99999999999"):
        connection.putrequest("POST", "/v2/models/digits/infer")
        connection.putheader("Content-Length", size)
        connection.endheaders()
        with connection.getresponse() as response:
            assert response.status == 400
        connection.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [("kind: ModelGraph", "apiVersion: expected a value, found none"), (None, "No such file")],
)
def test_a_file_that_is_no_graph_is_refused(text: str | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    if text is not None:
        file.write_text(text)
    command = [sys.executable, str(SERVER), str(file), "--listen", "127.0.0.1:0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert told in refused.stderr
