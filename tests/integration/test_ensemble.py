"""An ensemble of real models all the way: asked by the example's server, labelled late, weighed by the workers."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import sqrt
from typing import Any

import numpy as np
import pytest

from conftest import Eventually
from integration.model_server import ModelServer, Outputs, data_of, ensemble_server, graph, infer, probabilities
from integration.test_labels import labels_program
from integration.worker_rig import WorkerRig
from trimtab.client import Labels
from trimtab.control.apply import apply_file
from trimtab.control.demo.models.acts import CORRUPTED, FAST, FIXED, FRESH
from trimtab.control.demo.models.zoo import Digits, Model, digits, train
from trimtab.schemas.decision import Decision, Phase

pytestmark = [pytest.mark.integration, pytest.mark.long]

MEMBERS = (FAST, CORRUPTED, FIXED, FRESH)
RELEASE = f"""
apiVersion: trimtab.dev/v1
kind: Release
metadata: {{name: digits}}
spec:
  baseline: {FAST}
  variants: [{", ".join(f"{{name: {member}}}" for member in MEMBERS)}]
  objective: {{metric: correct}}
  guardrails: [{{metric: error_rate, max: 0.2}}]
  limits: {{minWeight: 50}}
  strategy: {{type: ensemble}}
"""


class Digitizers:
    """The models, what they say of every image, and servers for them, of which one may break."""

    def __init__(self) -> None:
        self.images: Digits = digits()[1]
        self.models: dict[str, Model] = {member: train(member) for member in MEMBERS}
        said = {member: model.predict_proba(self.images.images) for member, model in self.models.items()}
        self.right = {member: shares.argmax(axis=1) == self.images.truth for member, shares in said.items()}
        """member -> whether it is right, image by image"""
        self.is_broken = dict.fromkeys(MEMBERS, False)
        self._one_at_a_time = threading.Lock()

    def said(self, member: str, image: list[float]) -> Outputs:
        if self.is_broken[member]:
            raise RuntimeError
        with self._one_at_a_time:
            shares = self.models[member].predict_proba(np.array([image]))[0]
        return probabilities(shares.tolist())

    @contextmanager
    def serving(self) -> Iterator[dict[str, str]]:
        """Gives member -> URL."""
        servers = {member: ModelServer(lambda image, of=member: self.said(of, image)) for member in MEMBERS}  # type: ignore[misc]
        for server in servers.values():
            server.__enter__()
        try:
            yield {member: server.url for member, server in servers.items()}
        finally:
            for server in servers.values():
                server.__exit__()


class Visitors:
    """Images that are sent to the server, their truth told to the label service, and an account of it all."""

    def __init__(self, models: Digitizers, url: str, labels: Labels) -> None:
        self._models, self._url, self._labels = models, url, labels
        self._sent = 0
        self.answered: Counter[str] = Counter()
        """member -> requests that it answered"""
        self.right: Counter[str] = Counter()
        """member -> those of them that it was right on, by the test's own account"""

    def send(self, count: int) -> list[bool]:
        """Sends the next images; gives whether the answers were right."""
        places = range(self._sent, self._sent + count)
        self._sent += count
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(self._send, places))
        for place, answer in zip(places, answers, strict=True):
            self._labels.labelled(f"r{place}", label=self._truth(place))
            for member, has_answered in answer["parameters"]["asked"].items():
                self.answered[member] += has_answered
                self.right[member] += has_answered and bool(self._models.right[member][self._image(place)])
        assert self._labels.flush()
        return [data_of(answer, "label")[0] == self._truth(at) for at, answer in zip(places, answers, strict=True)]

    def _image(self, place: int) -> int:
        return place % len(self._models.images.truth)

    def _truth(self, place: int) -> str:
        return str(self._models.images.truth[self._image(place)])

    def _send(self, place: int) -> dict[str, Any]:
        return infer(self._url, self._models.images.images[self._image(place)].tolist(), f"r{place}")

    def come_back(self) -> int:
        """Begins with the first image again, and gives how many there are."""
        size = len(self._models.images.truth)
        self._sent += -self._sent % size
        return size


def test_an_ensemble_is_at_least_as_accurate_as_its_best_member(eventually: Eventually) -> None:
    models = Digitizers()
    with WorkerRig() as rig, models.serving() as urls, Labels(rig.kafka) as labels:
        rig.start_worker()
        (rig.folder / "digits.yaml").write_text(RELEASE)
        apply_file(rig.folder / "digits.yaml", kafka=rig.kafka, wait_s=120)
        rig.await_rule("applied", "digits")
        (rig.folder / "graph.json").write_text(graph(urls))
        service = labels_program(rig, "labels")
        try:
            with ensemble_server(rig.folder / "graph.json", kafka=rig.kafka, redis=rig.redis) as url:
                check_accuracy(rig, models, Visitors(models, url, labels), eventually)
                check_that_a_broken_member_is_out(rig, models, Visitors(models, url, labels), eventually)
        finally:
            code = service.end(by=signal.SIGTERM)
        assert code == 0, service.output


def newest(rig: WorkerRig) -> Decision:
    decision = rig.decision("digits")
    assert decision is not None
    return decision


def check_accuracy(rig: WorkerRig, models: Digitizers, visitors: Visitors, eventually: Eventually) -> None:
    def has_learnt() -> bool:
        visitors.send(40)
        return newest(rig).weights[CORRUPTED] == 50 and newest(rig).weights[FAST] < 9_000

    eventually(has_learnt, what="next to no weight for the corrupted model")
    is_right = np.array(visitors.send(visitors.come_back()))
    accuracy = {member: right.mean() for member, right in models.right.items()}
    best = max(accuracy, key=accuracy.__getitem__)
    gained, lost = (is_right & ~models.right[best]).sum(), (~is_right & models.right[best]).sum()
    # Paired, on the same images: what differs is as likely to be gained as lost, were both alike.
    assert gained - lost >= -2 * sqrt(gained + lost), (accuracy, is_right.mean())
    assert is_right.mean() > accuracy[CORRUPTED] + 0.05

    def is_counted() -> bool:
        arms = {arm.variant: arm for arm in newest(rig).arms}
        return all(arms[member].trials == visitors.answered[member] for member in MEMBERS)

    eventually(is_counted, what="a trial of each member for each label")
    decision = newest(rig)
    assert {arm.variant: arm.reward_sum for arm in decision.arms} == dict(visitors.right)
    assert (decision.phase, decision.divergences) == (Phase.PROGRESSING, [])


def check_that_a_broken_member_is_out(
    rig: WorkerRig, models: Digitizers, visitors: Visitors, eventually: Eventually
) -> None:
    models.is_broken[FRESH] = True
    visitors._sent = 1_000_000  # other requests than before

    def is_out() -> bool:
        assert sum(visitors.send(20)) > 10, "the others go on answering"
        return newest(rig).weights[FRESH] == 0

    eventually(is_out, what="the broken member without weight")
    (reason,) = [arm.excluded for arm in newest(rig).arms if arm.variant == FRESH]
    assert reason.startswith("error_rate")

    def is_not_asked() -> bool:
        return FRESH not in infer(visitors._url, [0.0] * 64)["parameters"]["asked"]

    eventually(is_not_asked, what="the broken member asked no more")
