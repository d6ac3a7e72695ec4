"""Evaluating a graph: who is asked, what comes of their answers, and what is told of whom."""

import threading
from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from schemas.records import ENSEMBLE
from schemas.test_model_graph import TEXT
from trimtab.client import Answer, Phase, Request, RoutingKey, WeightsRecord
from trimtab.client.graph import Ask, Evaluated, Graph, NoAnswer
from trimtab.schemas.model_graph import Model, load

MEMBERS = replace(ENSEMBLE, release="digits", baseline="v1", weights={"v1": 4_000, "v2": 6_000})
BETA = WeightsRecord(
    release="digits-beta", era=3, revision=5, time_ms=0, phase=Phase.PROGRESSING, weights={"v1": 0, "v2": 10_000},
    targets={"v1": "v1", "v2": "v2"}, baseline="v1",
)  # fmt: skip
PLAIN, TO_BETA = Request("/"), Request("/", (("X-Beta", "1"),))
FAST, SLOW = "http://127.0.0.1:8001/", "http://127.0.0.1:8002/"
SEVEN, ONE = Answer(label="7"), Answer(label="1")


class Known:
    def __init__(self, *held: WeightsRecord) -> None:
        self.held = {record.release: record for record in held}

    def get(self, release: str) -> WeightsRecord | None:
        return self.held.get(release)


def answering(said: Mapping[str, Answer | Exception]) -> Ask:
    def ask(model: Model) -> Answer:
        found = said[model.url]
        if isinstance(found, Exception):
            raise found
        return found

    return ask


def evaluated(
    request: Request, *held: WeightsRecord, fast: Answer | Exception = SEVEN, slow: Answer | Exception = ONE
) -> Evaluated:
    graph = Graph(load(TEXT, "graph.yaml")[0].spec, Known(*held))
    return graph.evaluate(request, answering({FAST: fast, SLOW: slow}))


def told(found: Evaluated) -> dict[RoutingKey, Answer | None]:
    return {one.key: one.answer for one in found.asked}


def test_an_ensemble_asks_all_and_makes_one_answer_of_theirs() -> None:
    found = evaluated(PLAIN, MEMBERS)
    assert found.answer is not None
    assert (found.answer.label, found.path, found.error) == ("1", ("by-origin", "all"), None)
    assert told(found) == {
        RoutingKey("digits", "v1", "", *MEMBERS.id): SEVEN, RoutingKey("digits", "v2", "", *MEMBERS.id): ONE,
    }  # fmt: skip


def test_a_splitter_asks_one_by_weight() -> None:
    found = evaluated(TO_BETA, MEMBERS, BETA)
    assert (found.answer, found.path) == (ONE, ("by-origin", "split", "slow"))
    assert told(found) == {RoutingKey("digits-beta", "v2", "", *BETA.id): ONE}


def test_members_are_asked_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=60)

    def ask(_: Model) -> Answer:
        both.wait()
        return SEVEN

    graph = Graph(load(TEXT, "graph.yaml")[0].spec, Known(MEMBERS))
    assert graph.evaluate(PLAIN, ask).answer == Answer(label="7", probabilities={"7": 1.0})


def test_a_member_that_does_not_answer_is_left_out_and_told() -> None:
    late = TimeoutError("timed out")
    found = evaluated(PLAIN, MEMBERS, slow=late)
    assert found.answer is not None
    assert found.answer.label == "7"
    assert [(one.key.variant, one.answer, one.error) for one in found.asked] == [
        ("v1", SEVEN, None), ("v2", None, late),
    ]  # fmt: skip
    assert all(one.duration_ms >= 0 for one in found.asked)


def test_where_nobody_answers_there_is_no_answer_but_a_reason() -> None:
    found = evaluated(PLAIN, MEMBERS, fast=TimeoutError(), slow=ConnectionRefusedError())
    assert (found.answer, str(found.error)) == (None, "no member of v1, v2 answered")
    broken = ValueError("no model's answer")
    found = evaluated(TO_BETA, BETA, slow=broken)
    assert (found.answer, found.error, found.path) == (None, broken, ("by-origin", "split", "slow"))
    assert told(found) == {RoutingKey("digits-beta", "v2", "", *BETA.id): None}


def test_answers_that_do_not_come_to_one_are_no_answer() -> None:
    found = evaluated(PLAIN, MEMBERS, slow=Answer(value=1.0))
    assert found.answer is None
    assert str(found.error) == "combine: vote: expected classes, got a number from v2"


def test_a_variant_without_a_node_has_not_answered() -> None:
    assert MEMBERS.ensemble is not None
    more = replace(
        MEMBERS, weights={"v1": 4_000, "v3": 6_000}, targets={"v1": "v1", "v3": "v3"},
        ensemble=replace(MEMBERS.ensemble, members=["v1", "v3"]),
    )  # fmt: skip
    found = evaluated(PLAIN, more)
    assert found.answer is not None
    assert found.answer.label == "7"
    (_, missing) = found.asked
    assert isinstance(missing.error, NoAnswer)
    assert str(missing.error) == "release digits: no node for 'v3', expected one of v1, v2"
    strange = replace(BETA, weights={"v1": 0, "v3": 10_000}, targets={"v1": "v1", "v3": "v3"})
    assert isinstance(evaluated(TO_BETA, strange).error, NoAnswer)


def test_before_any_weights_the_first_variant_of_a_node_is_asked() -> None:
    assert told(evaluated(PLAIN)) == {RoutingKey("digits", "v1", "", 0, 0): SEVEN}
    assert told(evaluated(TO_BETA)) == {RoutingKey("digits-beta", "v1", "", 0, 0): SEVEN}


@pytest.mark.parametrize(("request_", "record"), [(PLAIN, MEMBERS), (TO_BETA, BETA)], ids=["ensemble", "splitter"])
def test_of_a_request_that_takes_no_part_nobody_is_told(request_: Request, record: WeightsRecord) -> None:
    found = evaluated(request_, replace(record, condition="path starts with /other"))
    assert found.answer is not None
    assert (found.answer.label, found.asked) == ("7", ())


def test_a_segment_is_told_by_its_condition() -> None:
    mobile = replace(MEMBERS, segment_conditions={"mobile": "path = /"}, segments={"mobile": {"v1": 10_000, "v2": 0}})
    found = evaluated(PLAIN, mobile)
    assert found.answer is not None
    assert found.answer.label == "7"
    assert {one.key.segment for one in found.asked} == {"mobile"}
