"""The demo's ensemble server before real model servers, with weights that stand still."""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aiohttp.test_utils import TestClient, TestServer

from trimtab.client import Ensemble, Labels, Telemetry
from trimtab.control.demo.models.acts import ENSEMBLE, MEMBERS, RELEASE
from trimtab.control.demo.models.ensemble import EnsembleServer
from trimtab.control.demo.models.visitors import Answer, read_answer, request_id
from trimtab.control.demo.models.zoo import digits, train
from trimtab.schemas.combination import Combination
from trimtab.schemas.decision import Phase, WeightsRecord
from trimtab.schemas.inference import Served
from trimtab.schemas.topics import LABELS, TELEMETRY
from trimtab.streams.embedded import EmbeddedKafka
from trimtab.streams.embedded.process import Child

pytestmark = [pytest.mark.integration, pytest.mark.long]

WEIGHTS = dict(zip(MEMBERS, (1_000, 5_000, 4_000), strict=True))


class Known:
    """Weights that are always these."""

    def get(self, release: str) -> WeightsRecord:
        return WeightsRecord(
            release=release, era=1, revision=2, time_ms=0, phase=Phase.PROGRESSING, weights=WEIGHTS,
            targets={name: name for name in MEMBERS}, ensemble=Combination(members=list(MEMBERS), combine="mean"),
        )  # fmt: skip


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedKafka({TELEMETRY: 1, LABELS: 1}) as server:
        yield server.bootstrap


@pytest.fixture(scope="module")
def ports(broker: str) -> Iterator[dict[str, int]]:
    with ExitStack() as stack:
        children = {
            name: Child(name, [sys.executable, "-m", "trimtab.control.demo.models.server", name, broker])
            for name in MEMBERS
        }
        for child in children.values():
            stack.callback(child.stop)
        yield {name: int(child.await_line(r"^listening on (\d+)$", 60.0)[1]) for name, child in children.items()}


def asked(ports: dict[str, int], broker: str) -> tuple[int, bytes]:
    """What the ensemble of members at `ports` answers to the first image that none of them has seen."""
    _, unseen = digits()
    body = {"id": "r1", "inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": []}]}
    body["inputs"][0]["data"] = unseen.images[0].tolist()  # type: ignore[index]

    async def scenario() -> tuple[int, bytes]:
        with Telemetry(broker, publisher="test") as telemetry, Labels(broker) as labels:
            server = EnsembleServer(Ensemble(Known(), RELEASE), ports, telemetry, labels)
            async with TestClient(TestServer(server.application())) as client:
                response = await client.post("/v2/models/digits/infer", json=body)
                return response.status, await response.read()

    return asyncio.run(scenario())


def test_one_answer_is_made_of_all_by_their_weights(ports: dict[str, int], broker: str) -> None:
    _, unseen = digits()
    shares = {name: train(name).predict_proba(unseen.images[:1])[0] for name in MEMBERS}
    status, body = asked(ports, broker)
    answer = read_answer(status, body)
    assert answer is not None
    assert (answer.digit, answer.served) == (str(unseen.truth[0]), Served("digits", ENSEMBLE))
    assert answer.members == {name: str(share.argmax()) for name, share in shares.items()}
    expected = sum(WEIGHTS[name] / 10_000 * share for name, share in shares.items())
    assert answer.shares == pytest.approx(list(expected), abs=1e-3)
    assert json.loads(body)["id"] == "r1"


def test_a_member_that_does_not_answer_is_left_out(ports: dict[str, int], broker: str) -> None:
    answer = read_answer(*asked({**ports, MEMBERS[0]: 1}, broker))
    assert isinstance(answer, Answer)
    assert set(answer.members) == set(MEMBERS[1:])


def test_where_nobody_answers_there_is_no_answer(broker: str) -> None:
    status, body = asked(dict.fromkeys(MEMBERS, 1), broker)
    assert status == 503
    assert b"no member" in body


def test_an_id_is_what_a_request_brings() -> None:
    assert request_id(b'{"id": "r1", "inputs": []}') == "r1"
    assert [request_id(body) for body in (b"", b"[]", b'{"inputs": []}', b'{"id": 7}')] == ["", "", "", ""]
