"""Whose answer it is, where models answer: what the answer says, the path, or the route; each is counted."""

import pytest

from sidecar.entries import end
from sidecar.recorder import Recorder
from sidecar.weights import ERA
from trimtab.schemas.inference import Served
from trimtab.schemas.stamp import read_stamp, stamp
from trimtab.schemas.telemetry import RoutingKey
from trimtab.sidecar.envoy.access_log import AccessLog
from trimtab.sidecar.envoy.answer import KINDS, Answers, found
from trimtab.sidecar.envoy.log_line import LogLines, log_format

STAMP = stamp("checkout", (ERA, 57), {"v1": "at-v1", "v2": "at-v2", "fast": "digits-7"}, "phones")
INFER, OF_V1 = "/v2/models/digits/infer", "/v2/models/digits/versions/1/infer"
CASES = [
    (INFER, "2", 200, "v2", "told"),
    (INFER, "v2", 200, "v2", "told"),
    (INFER, "1", 200, "v1", "other"),
    (INFER, "7", 500, "fast", "other"),
    (INFER, "9", 200, "v2", "unknown"),
    (INFER, "", 200, "v2", "missing"),
    (INFER, "", 503, "v2", "missing"),
    (OF_V1, "", 200, "v1", "asked"),
    (OF_V1, "2", 200, "v2", "told"),
    (OF_V1, "", 404, "v2", "missing"),
    ("/v2/models/digits/versions/9/infer", "", 200, "v2", "missing"),
    ("/shop/cart", "1", 200, "v2", ""),
    ("/v2/models/digits", "1", 200, "v2", ""),
]


def key(variant: str) -> RoutingKey:
    return RoutingKey("checkout", variant, "phones", ERA, 57)


@pytest.mark.parametrize(("path", "version", "status", "variant", "kind"), CASES)
def test_an_answer_is_whose_it_says_or_was_asked_for_or_routed(
    path: str, version: str, status: int, variant: str, kind: str
) -> None:
    answers = Answers()
    given = answers.key(read_stamp(STAMP), key("v2"), Served("digits", version), path=path, status=status)
    assert given == key(variant)
    assert dict(answers.counts) == ({kind: 1} if kind else {})


def test_every_kind_is_in_a_case() -> None:
    assert {kind for *_, kind in CASES if kind} == set(KINDS)


def test_versions_that_share_a_server_are_told_apart_by_their_answers() -> None:
    shared = read_stamp(stamp("checkout", (ERA, 57), {"v1": "models", "v2": "models"}, "phones"))
    routed = shared.keys["models"]
    variants = [
        Answers().key(shared, routed, Served("digits", version), path=INFER, status=200).variant for version in "12"
    ]
    assert variants == ["v1", "v2"]


def test_an_entry_that_travels_by_grpc_has_it_in_its_tags() -> None:
    recorder = Recorder()
    log = AccessLog(recorder)
    plain, model = end(), end()
    for entry in plain, model:
        entry.request.path = INFER
        entry.common_properties.custom_tags["stamp"] = STAMP
    model.common_properties.custom_tags.update({"models": "v2", "model": "digits", "version": "1"})
    log.publish([plain, model])
    assert [event[1] for event in recorder.events] == [key("v2"), key("v1")]
    assert dict(log.answers.counts) == {"other": 1}


def line(*of_answer: str, tag: str = "trimtab/2", kind: str = "DownstreamEnd") -> bytes:
    fields = (tag, kind, "1767225700250", "3", "1500", "200", "-", "253", "at-v2", STAMP, *of_answer)
    return "\t".join(fields).encode()


def test_a_line_of_a_file_has_it_behind_the_stamp() -> None:
    log = LogLines()
    rows = log.rows(
        [line('{"model":"digits","version":"1"}', INFER), line("-", INFER), line("-", "/", kind="DownstreamStart")]
    )
    assert [row[0] for row in rows] == [key("v1"), key("v2"), key("v2")]
    assert dict(log.answers.counts) == {"other": 1, "missing": 1}


def test_a_path_with_tabs_in_it_forges_nothing() -> None:
    log = LogLines()
    ((told, *_),) = log.rows([line("-", f'{INFER}\t{STAMP.replace("57", "99")}\t{{"version":"1"}}')])
    assert told == key("v2")
    assert log.unattributed == 0


@pytest.mark.parametrize("wrong", [line(), line("-"), line(tag="trimtab/3")], ids=["bare", "no path", "another tag"])
def test_a_line_that_lacks_something_is_counted_and_skipped(wrong: bytes) -> None:
    log = LogLines()
    assert log.rows([wrong]) == []
    assert log.unattributed == 1


@pytest.mark.parametrize(
    ("text", "served"),
    [
        (b'{"model":"digits","version":"3"}', Served("digits", "3")),
        (b'{"version":"3"}', Served("", "3")),
        (b"-", Served()),
        (b'{"version":3}', Served()),
        (b"\xff", Served()),
        (b"", Served()),
    ],
)
def test_findings_are_read_or_are_none(text: bytes, served: Served) -> None:
    assert found(text) == served


def test_the_format_says_whether_models_answer() -> None:
    assert log_format("S").startswith("trimtab/1\t")
    assert log_format("S", models=True).startswith("trimtab/2\t")
    assert log_format("S", models=True).endswith("\tS\t%DYNAMIC_METADATA(trimtab.models)%\t%REQ(:PATH)%\n")
