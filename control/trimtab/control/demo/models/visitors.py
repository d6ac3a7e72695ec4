"""Visitors who send handwritten digits to the proxy, and learn five seconds later which digits they were.

Each tells the label service what was answered, as a gateway in front of the models would, and then what was true.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, NamedTuple

import aiohttp
import msgspec

from trimtab.client import Labels
from trimtab.control.demo.arrivals import Arrivals
from trimtab.control.demo.models.acts import ENSEMBLE, LATE_S, MODEL
from trimtab.control.demo.models.zoo import Digits
from trimtab.control.demo.traffic import routing_key
from trimtab.schemas.inference import Served, variant_of
from trimtab.schemas.telemetry import RoutingKey
from trimtab.sidecar.envoy.release_routes import HEADER_VARIANT

PHONE_RATIO: Final = 0.3
_PHONE: Final = "Mozilla/5.0 (Linux; Android 15)"
_DESKTOP: Final = "Mozilla/5.0 (X11; Linux x86_64)"


class Visit(NamedTuple):
    """One request and its answer, in seconds since the traffic began."""

    sent_s: float
    latency_ms: float
    variant: str
    """whose answer it was; empty where nothing came back"""
    is_right: bool
    is_phone: bool
    is_good: bool
    """whether there was an answer of the protocol at all"""
    members: Mapping[str, bool] = {}
    """member of an ensemble that was asked -> whether it was right"""


class _Tensor(msgspec.Struct):
    name: str
    data: list[float]


class _Answer(msgspec.Struct):
    model_name: str
    outputs: list[_Tensor]
    model_version: str = ""
    parameters: dict[str, object] = {}


class _Numbered(msgspec.Struct):
    id: str = ""


_read_id: Final = msgspec.json.Decoder(_Numbered).decode
_decode: Final = msgspec.json.Decoder(_Answer).decode
_NOTHING: Final[Mapping[str, str]] = {}
_NOBODY: Final[Mapping[str, bool]] = {}


@dataclass(slots=True)
class Visits:
    """All visits of a run, in the order in which they ended."""

    all: list[Visit] = field(default_factory=list)

    def between(self, start_s: float, end_s: float) -> list[Visit]:
        """Gives those that were sent from `start_s` on and before `end_s`."""
        return [one for one in self.all if start_s <= one.sent_s < end_s]


class Visitors:
    """Ask at `url` about `digits`, `rps` times a second on average."""

    def __init__(self, url: str, digits: Digits, labels: Labels, *, rps: float, seed: int) -> None:
        self._url, self._path = url, f"v2/models/{MODEL}/infer"
        self._at = ""
        """where the ensemble is, if it is to be asked"""
        self._digits, self._labels = digits, labels
        pixels = [[round(float(value), 4) for value in image] for image in digits.images]
        self._inputs = [_input(image) for image in pixels]
        self._draws = random.Random(f"{seed}:visitors")  # noqa: S311 - a seeded simulation, not a secret
        self._run = f"{time.time_ns():x}"
        self._number = 0
        self.visits = Visits()
        self.targets: Mapping[str, str] = {}
        """variant -> the proxy's name for it, of the spec that is in force"""
        self.arrivals = Arrivals(self._ask, rps=rps, seed=seed)

    def ask_ensemble(self, url: str) -> None:
        """Lets visitors ask the server at `url` from now on; it tells the label service itself what was answered."""
        self._at = url

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        image = self._draws.randrange(len(self._inputs))
        is_phone = self._draws.random() < PHONE_RATIO
        self._number += 1
        request = f"{self._run}-{self._number}"
        sent_s = self.arrivals.elapsed_s
        headers = {"User-Agent": _PHONE if is_phone else _DESKTOP, "Content-Type": "application/json"}
        body = f'{{"id": "{request}", "inputs": [{self._inputs[image]}]}}'
        try:
            async with session.post((self._at or self._url) + self._path, data=body, headers=headers) as response:
                answer = read_answer(response.status, await response.read())
                told: Mapping[str, str] = response.headers
        except (aiohttp.ClientError, TimeoutError):
            answer, told = None, _NOTHING
        latency_ms = (self.arrivals.elapsed_s - sent_s) * 1000
        variant = told.get(HEADER_VARIANT, "")
        is_right, members = False, _NOBODY
        if answer is not None:
            truth = str(self._digits.truth[image])
            # The answer knows best whose it is; one that does not say it is the route's.
            variant = ENSEMBLE if self._at else variant_of(answer.served, self.targets) or variant
            is_right = answer.digit == truth
            members = {member: digit == truth for member, digit in answer.members.items()}
            self._tell(routing_key(told), variant, request, answer, truth)
        self.visits.all.append(Visit(sent_s, latency_ms, variant, is_right, is_phone, answer is not None, members))

    def _tell(self, key: RoutingKey | None, variant: str, request: str, answer: "Answer", truth: str) -> None:
        if key is not None:
            known = {answer.digit: round(answer.share, 4)}
            of = RoutingKey(key.release, variant, key.segment, key.era, key.revision)
            self._labels.predicted(of, request, label=answer.digit, probabilities=known)
        asyncio.get_running_loop().call_later(LATE_S, lambda: self._labels.labelled(request, label=truth))


class Answer(NamedTuple):
    """What a model server answered."""

    digit: str
    shares: tuple[float, ...]
    """how probable it took each digit to be"""
    served: Served
    members: Mapping[str, str] = {}
    """of an ensemble: member -> the digit that it answered"""

    @property
    def share(self) -> float:
        """How probable it took its answer to be."""
        return self.shares[int(self.digit)]


def read_answer(status: int, body: bytes) -> Answer | None:
    """Gives what a model server answered; None for anything but an answer of the protocol to what visitors ask."""
    if status != HTTPStatus.OK:
        return None
    try:
        answer = _decode(body)
        outputs = {one.name: one.data for one in answer.outputs}
        digit, shares = int(outputs["digit"][0]), tuple(outputs["probabilities"])
    except (msgspec.DecodeError, KeyError, IndexError, ValueError):
        return None
    if not 0 <= digit < len(shares):
        return None
    members = {member: str(said) for member, said in answer.parameters.items()}
    return Answer(str(digit), shares, Served(answer.model_name, answer.model_version), members)


def request_id(body: bytes) -> str:
    """Gives the id that a request brings; empty where it brings none."""
    try:
        return _read_id(body).id
    except msgspec.DecodeError:
        return ""


def _input(pixels: list[float]) -> str:
    tensor = {"name": "image", "shape": [1, len(pixels)], "datatype": "FP32", "data": pixels}
    return msgspec.json.encode(tensor).decode()
