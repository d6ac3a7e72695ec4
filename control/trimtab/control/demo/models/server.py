"""A model server of the demo, in a process of its own: the Open Inference Protocol over HTTP, for one version.

    python -m trimtab.control.demo.models.server NAME KAFKA

It trains its model, listens on a port of 127.0.0.1 that the system chooses, and says which on standard output. Of the
answers to copies of requests (a shadow release's) nobody but itself knows, so it tells those to the label service.
"""

import asyncio
import sys
from typing import Final

import msgspec
import numpy as np
from aiohttp import web
from threadpoolctl import threadpool_limits

from trimtab.client import Labels, copied
from trimtab.control.demo.models.acts import MODEL
from trimtab.control.demo.models.zoo import Model, train
from trimtab.control.demo.variant import serve

PIXELS: Final = 64


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class _Ask(msgspec.Struct):
    inputs: list[_Tensor]
    id: str = ""


_decode: Final = msgspec.json.Decoder(_Ask).decode


class ModelServer:
    """Answers for `model`, version `version`."""

    def __init__(self, model: Model, version: str, labels: Labels) -> None:
        self._model, self._version, self._labels = model, version, labels

    def application(self) -> web.Application:
        """Gives the HTTP service."""
        app = web.Application()
        app.router.add_get("/v2/health/ready", self._ready)
        for path in (f"/v2/models/{MODEL}/infer", f"/v2/models/{MODEL}/versions/{self._version}/infer"):
            app.router.add_post(path, self._infer)
        return app

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _infer(self, request: web.Request) -> web.Response:
        try:
            asked = _decode(await request.read())
        except msgspec.DecodeError as error:
            return web.json_response({"error": str(error)}, status=400)
        if len(asked.inputs) != 1 or len(asked.inputs[0].data) != PIXELS:
            return web.json_response({"error": f"expected one input of {PIXELS} pixels"}, status=400)
        shares = self._model.predict_proba(np.array([asked.inputs[0].data]))[0]
        digit = int(shares.argmax())
        self._tell_of_copy(request, asked.id, digit, shares[digit])
        outputs = [
            {"name": "digit", "shape": [1], "datatype": "INT64", "data": [digit]},
            {"name": "probabilities", "shape": [1, len(shares)], "datatype": "FP64", "data": shares.tolist()},
        ]
        answer = {"model_name": MODEL, "model_version": self._version, "id": asked.id, "outputs": outputs}
        return web.json_response(answer)

    def _tell_of_copy(self, request: web.Request, number: str, digit: int, share: float) -> None:
        key = copied(request.headers)
        if key is None:
            return
        probabilities = {str(digit): round(float(share), 4)}
        self._labels.predicted(key, number, label=str(digit), probabilities=probabilities, shadow=True)


def main(name: str, kafka: str) -> None:
    """Runs the command line."""
    # One image is too little for several threads, and those of several servers would wait for each other.
    with Labels(kafka) as labels, threadpool_limits(limits=1):
        asyncio.run(serve(ModelServer(train(name), name.removeprefix("v"), labels).application()))


if __name__ == "__main__":
    main(*sys.argv[1:])
