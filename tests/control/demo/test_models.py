import itertools
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from control.demo.builders import decision
from trimtab.catalog.address import open_store
from trimtab.control.demo.models.acts import CORRUPTED, FAST, FIXED, FRESH, NAMES, Act, acts
from trimtab.control.demo.models.catalogued import settings_with_catalogue
from trimtab.control.demo.models.findings import Scene, find
from trimtab.control.demo.models.visitors import Answer, Visit, read_answer
from trimtab.control.demo.models.zoo import digits, train
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.inference import Served
from trimtab.schemas.model_ref import parse_ref
from trimtab.schemas.release_file import load
from trimtab.streams.embedded.process import Child


def test_models_are_as_good_as_the_acts_say_and_the_same_every_time() -> None:
    _, unseen = digits()
    rights = {name: np.mean(train(name).predict_proba(unseen.images).argmax(axis=1) == unseen.truth) for name in NAMES}
    assert 0.90 < rights[FAST] < 0.94
    assert rights[CORRUPTED] < 0.6
    assert rights[FIXED] > 0.95
    assert rights[FRESH] > 0.95
    again = train(CORRUPTED).predict_proba(unseen.images)
    assert np.array_equal(again, train(CORRUPTED).predict_proba(unseen.images))


@pytest.mark.long
def test_the_catalogue_knows_what_models_learned_from_and_how_good_they_are(tmp_path: Path) -> None:
    settings = yaml.safe_load(settings_with_catalogue(tmp_path).read_text())
    store = open_store(settings["catalog"]["url"], create=False)
    try:
        corrupted = store.lineage(parse_ref("dataset/digits-labels-mixed-up"), "up").depths
        entries = [store.entry(parse_ref(f"digits:{name}")) for name in NAMES]
    finally:
        store.close()
    assert set(map(str, corrupted)) >= {f"model/digits:{CORRUPTED}", f"deployment/digits-{CORRUPTED}"}
    assert f"model/digits:{FIXED}" not in map(str, corrupted)
    _, unseen = digits()
    for name, entry in zip(NAMES, entries, strict=True):
        right = np.mean(train(name).predict_proba(unseen.images).argmax(axis=1) == unseen.truth)
        (figure,) = entry.figures.values()
        assert (figure.metric, figure.value, figure.count) == ("accuracy", pytest.approx(right, abs=1e-4), 897)


def test_no_model_has_seen_what_visitors_send() -> None:
    seen, unseen = digits()
    assert (len(seen.truth), len(unseen.truth)) == (900, 897)
    known = {image.tobytes() for image in seen.images}
    assert not any(image.tobytes() in known for image in unseen.images)


def test_a_model_of_another_name_is_none() -> None:
    with pytest.raises(KeyError):
        train("v9")


@pytest.mark.parametrize("act", acts(), ids=lambda act: act.key)
def test_every_act_is_a_release_file_without_a_mistake(act: Act) -> None:
    (release,) = load(act.text(), act.key)
    assert release.spec.strategy.type == act.strategy["type"]


def test_no_two_acts_in_a_row_could_be_taken_for_each_other() -> None:
    kinds = [(act.names, act.strategy["type"]) for act in acts()]
    assert all(before != after for before, after in itertools.pairwise(kinds))
    assert sum(act.share for act in acts()) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    # Nobody listens at that address: what is told of copies is lost, and nobody waits for it.
    child = Child("v1", [sys.executable, "-m", "trimtab.control.demo.models.server", "v1", "127.0.0.1:1"])
    try:
        port = child.await_line(r"^listening on (\d+)$", 60.0)[1]
        yield f"http://127.0.0.1:{port}/v2/models/digits"
    finally:
        child.stop()


def asked(url: str, body: object) -> tuple[int, bytes]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - our own server on this machine
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def image(pixels: list[float]) -> dict[str, Any]:
    tensor = {"name": "image", "shape": [1, len(pixels)], "datatype": "FP32", "data": pixels}
    return {"id": "r1", "inputs": [tensor]}


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/infer", "/versions/1/infer"])
def test_a_server_answers_as_the_protocol_has_it(server: str, path: str) -> None:
    _, unseen = digits()
    status, body = asked(server + path, image(unseen.images[0].tolist()))
    answer = read_answer(status, body)
    assert answer is not None
    assert (answer.digit, answer.served) == (str(unseen.truth[0]), Served("digits", "1"))
    assert json.loads(body)["id"] == "r1"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/infer", image([0.0] * 63), 400),
        ("/infer", {"inputs": []}, 400),
        ("/infer", {"inputs": "an image"}, 400),
        ("/versions/2/infer", image([0.0] * 64), 404),
    ],
)
def test_a_server_refuses_what_it_cannot_answer(server: str, path: str, body: object, status: int) -> None:
    assert asked(server + path, body)[0] == status


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'{"model_name": "digits"}', b'{"model_name": "digits", "outputs": []}',
        b'{"model_name": "m", "outputs": [{"name": "digit", "data": [12]}, {"name": "probabilities", "data": [1]}]}',
    ],
)  # fmt: skip
def test_what_is_no_answer_counts_as_none(body: bytes) -> None:
    assert read_answer(200, body) is None


def test_an_error_is_no_answer_whatever_its_body_says() -> None:
    outputs = b'[{"name": "digit", "data": [0]}, {"name": "probabilities", "data": [0.9]}]'
    body = b'{"model_name": "digits", "model_version": "3", "outputs": ' + outputs + b"}"
    assert read_answer(200, body) == Answer("0", (0.9,), Served("digits", "3"))
    assert read_answer(500, body) is None


def visit(sent_s: float, variant: str, *, is_phone: bool = False, is_right: bool = True) -> Visit:
    return Visit(sent_s, 5.0, variant, is_right, is_phone, is_good=True)


def act_of(key: str) -> Act:
    return next(act for act in acts() if act.key == key)


def made(phase: Phase, rule: str = "", **weights: int) -> Decision:
    return decision(phase=phase, weights=weights, rule=rule)


CONDEMNED = "guardrail: v2 excluded, outcome correct over 10s is 0.4 against min 0.8"


def faulty(*decisions: Decision, served: int = 30) -> Scene:
    visits = [visit(n / 10, CORRUPTED if n % 100 < served else FAST) for n in range(1_000)]
    return Scene(act_of("faulty"), 0.0, 0.0, visits, decisions)


def test_a_faulty_model_that_is_rolled_back_on_accuracy_misses_nothing() -> None:
    steps = made(Phase.PROGRESSING, v1=7_000, v2=3_000), made(Phase.ROLLED_BACK, CONDEMNED, v1=10_000, v2=0)
    assert find(faulty(*steps)).missed == ()


@pytest.mark.parametrize(
    ("scene", "missed"),
    [
        (faulty(made(Phase.PROMOTED, CONDEMNED, v1=0, v2=3_000)), "v2 is rolled back"),
        (faulty(made(Phase.ROLLED_BACK, "guardrail: v2 excluded, error_rate", v1=10_000, v2=0)), "accuracy alone"),
        (faulty(made(Phase.ROLLED_BACK, CONDEMNED, v1=6_999, v2=3_001)), "never has more than its step of 30 %"),
        (faulty(made(Phase.ROLLED_BACK, CONDEMNED, v1=10_000, v2=0), served=40), "gets no more of the requests"),
        (replace(faulty(made(Phase.ROLLED_BACK, CONDEMNED, v1=10_000, v2=0)), visits=[]), "anything happens"),
        (faulty(), "anything happens"),
    ],
    ids=["promoted", "for errors", "above its step", "above its share", "no visits", "no decisions"],
)
def test_what_a_faulty_model_should_have_come_to_and_did_not_is_told(scene: Scene, missed: str) -> None:
    assert missed in "; ".join(find(scene).missed)


def segments(wrong: str = "") -> Scene:
    visits = [visit(n, FAST if n % 3 == 0 else FIXED, is_phone=n % 3 == 0) for n in range(1, 600)]
    others = [visit(600.0, wrong)] if wrong else []
    return Scene(act_of("segments"), 0.0, 0.0, visits + others, [made(Phase.PROGRESSING, v3=10_000, v1=0)])


def test_phones_alone_get_the_fast_model() -> None:
    assert find(segments()).missed == ()
    assert find(segments(wrong=FAST)).missed == ("nobody else does, but v3",)
