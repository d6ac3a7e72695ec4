"""The ensemble of the demo: asks every member, and makes one answer of theirs by the newest weights.

    python -m trimtab.control.demo.models.ensemble KAFKA REDIS NAME=PORT...

It speaks the Open Inference Protocol as its members do, and says in `parameters` what each of them answered. Of each
it tells Kafka that it was asked, how it answered, and what: so the label service can find out who is right how often.

One to start from, for any graph of models, is `examples/ensemble_server.py`, with a thread for each question. This one
asks all at once without threads, for it has two hundred answers a second to get beside all else of the demo.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import web

from trimtab.client import Answer, Ensemble, Failure, Labels, RoutingKey, Telemetry, Unreachable, Weights
from trimtab.control.demo.models.acts import ENSEMBLE, FAST, MODEL, RELEASE
from trimtab.control.demo.models.visitors import read_answer, request_id
from trimtab.control.demo.models.zoo import CLASSES
from trimtab.control.demo.variant import serve

_PATIENCE_S: Final = 1.0
"""A member that takes longer is left out of the answer."""


class EnsembleServer:
    """Answers for all members; `ports`: the proxy's name of a member -> where it listens."""

    def __init__(self, ensemble: Ensemble, ports: Mapping[str, int], telemetry: Telemetry, labels: Labels) -> None:
        self._ensemble, self._ports = ensemble, ports
        self._telemetry, self._labels = telemetry, labels

    def application(self) -> web.Application:
        """Gives the HTTP service."""
        app = web.Application()
        app.router.add_get("/v2/health/ready", self._ready)
        app.router.add_post(f"/v2/models/{MODEL}/infer", self._infer)
        app.cleanup_ctx.append(self._connections)
        return app

    async def _connections(self, _: web.Application):  # type: ignore[no-untyped-def]  # noqa: ANN202 - aiohttp's own
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as self._session:
            yield

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _infer(self, request: web.Request) -> web.Response:
        body = await request.read()
        panel = self._ensemble.panel()
        number = request_id(body)
        asked = [self._ask(panel.keys[member], target, body, number) for member, target in panel.targets.items()]
        answers = {
            member: answer for member, answer in zip(panel.targets, await asyncio.gather(*asked), strict=True) if answer
        }
        try:
            combined = panel.combine(answers)
        except (Unreachable, ValueError) as error:
            return web.json_response({"error": str(error)}, status=503)
        said = {member: answer.label for member, answer in answers.items()}
        shares = [combined.answer.probabilities.get(str(digit), 0.0) for digit in range(CLASSES)]
        outputs = [
            {"name": "digit", "shape": [1], "datatype": "INT64", "data": [int(combined.answer.label or 0)]},
            {"name": "probabilities", "shape": [1, CLASSES], "datatype": "FP64", "data": shares},
        ]
        told = {"model_name": MODEL, "model_version": ENSEMBLE, "id": number, "outputs": outputs}
        return web.json_response({**told, "parameters": said})

    async def _ask(self, key: RoutingKey, target: str, body: bytes, number: str) -> Answer | None:
        """Asks one member, and tells of it; gives None where it does not answer in time, or not well."""
        self._telemetry.request(key)
        began_s, status, failure = time.monotonic(), 0, Failure.NONE
        url = f"http://127.0.0.1:{self._ports[target]}/v2/models/{MODEL}/infer"
        answer = None
        try:
            async with self._session.post(url, data=body) as response:
                status = response.status
                answer = read_answer(status, await response.read())
        except TimeoutError:
            failure = Failure.TIMEOUT
        except aiohttp.ClientError:
            failure = Failure.CONNECT
        self._telemetry.response(key, (time.monotonic() - began_s) * 1000, status, failure=failure)
        if answer is None:
            return None
        shares = {str(digit): round(share, 4) for digit, share in enumerate(answer.shares) if share > 0.0}
        self._labels.predicted(key, number, label=answer.digit, probabilities={answer.digit: shares[answer.digit]})
        return Answer(label=answer.digit, probabilities=shares)


def main(kafka: str, redis: str, *members: str) -> None:
    """Runs the command line."""
    ports = {name: int(port) for name, _, port in (member.partition("=") for member in members)}
    with (
        Weights(redis, [RELEASE]) as weights,
        Telemetry(kafka, publisher="demo-ensemble") as telemetry,
        Labels(kafka) as labels,
    ):
        server = EnsembleServer(Ensemble(weights, RELEASE, default=FAST), ports, telemetry, labels)
        asyncio.run(serve(server.application()))


if __name__ == "__main__":
    main(*sys.argv[1:])
