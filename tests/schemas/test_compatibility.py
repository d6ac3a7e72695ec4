"""Old records stay readable, and a change that others cannot read needs a new version."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from schemas.compatibility import breaks
from schemas.records import ASSESSMENT, DECISION, SAMPLES, Sample, title
from schemas.shapes import Shape, shapes
from schemas.write_contract import SAMPLES_FOLDER, place, recorded_shapes, write

Change = Callable[[dict[str, Shape]], object]

_V1_ASSESSMENT = msgspec.structs.replace(ASSESSMENT, ln_evidence=0.0, threshold=0.0, samples=0, reason="")
_V1 = {"decision": msgspec.structs.replace(DECISION, assessments=[_V1_ASSESSMENT])}
"""What samples of version 1 differ in, besides their version."""

EXPECTED = {place(sample): sample for sample in SAMPLES} | {
    Path("v1") / title(sample): replace(
        sample, expected=msgspec.structs.replace(_V1.get(sample.name, sample.expected), v=1)
    )
    for sample in SAMPLES
    if sample.name.startswith(("evidence-", "decision", "weights"))
}
"""When a version is raised, what its predecessor's samples are read as is to be added here, by hand."""

COMMITTED = sorted(path.relative_to(SAMPLES_FOLDER) for path in SAMPLES_FOLDER.glob("*/*"))


@pytest.mark.parametrize("path", COMMITTED, ids=str)
def test_what_an_older_release_wrote_is_read_as_it_was_meant(path: Path) -> None:
    sample = EXPECTED[path]
    assert sample.decode((SAMPLES_FOLDER / path).read_bytes()) == sample.expected


@pytest.mark.parametrize("sample", SAMPLES, ids=title)
def test_every_kind_of_record_has_a_committed_sample_of_its_present_version(sample: Sample) -> None:
    assert place(sample) in COMMITTED, "run: python -m schemas.write_contract, in tests"


def test_nothing_in_the_contract_changed_but_by_addition() -> None:
    assert breaks(recorded_shapes(), shapes()) == [], "raise the version of what changed; its old form stays readable"


def test_what_was_added_to_the_contract_is_recorded() -> None:
    assert recorded_shapes() == json.loads(json.dumps(shapes())), "run: python -m schemas.write_contract, in tests"


def fields(shape: dict[str, Shape], kind: str, struct: str) -> dict[str, str]:
    found: dict[str, str] = shape[kind]["structs"][struct]["fields"]
    return found


def renamed(names: dict[str, str], old: str, new: str) -> None:
    names[new] = names.pop(old)


def reordered(names: dict[str, str]) -> None:
    first = next(iter(names))
    names[first] = names.pop(first)


def inserted(shape: dict[str, Shape]) -> None:
    key = shape["telemetry"]["structs"]["RoutingKey"]
    key["fields"] = {"region": 'str, default ""', **key["fields"]}


def test_a_part_may_gain_fields_in_a_default_and_change_none() -> None:
    old = {"decision": {"version": 1, "root": "", "constants": {}, "structs": {"Spec": {
        "tag": "", "is_array": False, "fields": {"limits": 'Limits, default {"maxStep":1}'}
    }}}}  # fmt: skip
    for now, expected in (('{"holdout":0,"maxStep":1}', 0), ('{"maxStep":2}', 1), ('{"holdout":0}', 1), ("null", 1)):
        new = copy.deepcopy(old)
        fields(new, "decision", "Spec")["limits"] = f"Limits, default {now}"
        assert len(breaks(old, new)) == expected


UNION = '{"anyOf":[{"$ref":"#/$defs/Prior"},{"type":"null"}]}'
WORDS = '{"enum":["cli","api"],"type":"string"}'
WIDER = [
    (UNION, '{"anyOf":[{"$ref":"#/$defs/Prior"},{"$ref":"#/$defs/Seen"},{"type":"null"}]}'),
    ('{"$ref":"#/$defs/Prior"}', UNION),
    ('{"discriminator":{"mapping":{"a":"#/$defs/A"},"propertyName":"type"},"oneOf":[{"$ref":"#/$defs/A"}]}',
     ('{"discriminator":{"mapping":{"a":"#/$defs/A","b":"#/$defs/B"},"propertyName":"type"},'
     '"oneOf":[{"$ref":"#/$defs/A"},{"$ref":"#/$defs/B"}]}')),
    (WORDS, '{"enum":["hook","api","cli"],"type":"string"}'),
    ('{"const":"cli","type":"string"}', WORDS),
    ('{"maximum":5,"minimum":1,"type":"integer"}', '{"maximum":6,"minimum":0,"type":"integer"}'),
    ('{"maxLength":5,"pattern":"^a$","type":"string"}', '{"type":"string"}'),
    (f'{{"items":{WORDS},"maxItems":4,"type":"array"}}',
     '{"items":{"enum":["cli","api","hook"],"type":"string"},"maxItems":9,"type":"array"}'),
]  # fmt: skip
"""What a field of a release file took, and what it may take now."""


def release_field(text: str) -> dict[str, Shape]:
    return {"release": {"version": 7, "root": "", "constants": {}, "structs": {
        "Spec": {"tag": "", "is_array": False, "fields": {"x": text}}
    }}}  # fmt: skip


@pytest.mark.parametrize("need", [", required", ", default null"])
@pytest.mark.parametrize(("old", "new"), WIDER)
def test_a_field_of_a_release_file_may_take_more_and_not_less(old: str, new: str, need: str) -> None:
    assert breaks(release_field(old + need), release_field(new + need)) == []
    [told] = breaks(release_field(new + need), release_field(old + need))
    assert told.startswith("release: Spec.x: was ")


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        ('{"type":"string"}, required', '{"type":"string"}, default "a"', 0),
        ('{"type":"string"}, default "a"', '{"type":"string"}, required', 1),
        ('{"type":"string"}, default "a"', '{"type":"string"}, default "b"', 1),
        ('{"$ref":"#/$defs/L"}, default {"a":1}', '{"$ref":"#/$defs/L"}, default {"a":1,"b":2}', 0),
        ('{"$ref":"#/$defs/L"}, default {"a":1}', '{"$ref":"#/$defs/L"}, default {"a":2}', 1),
        ('{"type":"object"}, default {"a":1}', '{"type":"object"}, default {"a":1,"b":2}', 1),
        ('{"type":"string"}, required', '{"type":"integer"}, required', 1),
        ('{"type":"string"}, required', '{"pattern":"^a$","type":"string"}, required', 1),
        ('{"pattern":"^a$","type":"string"}, required', '{"pattern":"^b$","type":"string"}, required', 1),
    ],
)
def test_what_a_field_of_a_release_file_means_stays(old: str, new: str, problems: int) -> None:
    assert len(breaks(release_field(old), release_field(new))) == problems


def test_a_record_that_takes_more_is_refused_by_older_readers_and_needs_a_version() -> None:
    old = {"vote": release_field("'api'|'cli', required")["release"]}
    new = {"vote": release_field("'api'|'cli'|'hook', required")["release"]}
    assert len(breaks(old, new)) == 1


def test_a_default_that_travels_as_an_array_may_gain_fields_at_its_end() -> None:
    old = {"release-snapshot": {"version": 1, "root": "", "constants": {}, "structs": {"EvidenceSnapshot": {
        "tag": "", "is_array": True, "fields": {"keep": "Keep, default [[1],false]", "windows": "[int], default []"}
    }}}}  # fmt: skip
    for field, now, expected in (
        ("keep", "Keep, default [[1],false,null]", 0), ("keep", "Keep, default [[2],false,null]", 1),
        ("keep", "Keep, default [null,[1],false]", 1), ("windows", "[int], default [1]", 1),
    ):  # fmt: skip
        new = copy.deepcopy(old)
        fields(new, "release-snapshot", "EvidenceSnapshot")[field] = now
        assert len(breaks(old, new)) == expected


BREAKING: dict[str, tuple[Change, str]] = {
    "a field was renamed": (
        lambda new: renamed(fields(new, "decision", "Decision"), "rule", "because"),
        "decision: Decision.rule: is gone",
    ),
    "a field's type was changed": (
        lambda new: fields(new, "weights", "WeightsRecord").update(weights="{str: float}, required"),
        "weights: WeightsRecord.weights: was '{str: int}, required', now it is '{str: float}, required'",
    ),
    "a limit was tightened": (
        lambda new: fields(new, "telemetry", "Request").update(time_ms="int ge=0 le=5, required"),
        "telemetry: Request.time_ms: was 'int ge=0 le=9007199254740991, required', now it is",
    ),
    "a default was taken away": (
        lambda new: fields(new, "telemetry", "Request").update(segment="str, required"),
        "telemetry: Request.segment: was 'str, default \"\"', now it is 'str, required'",
    ),
    "a default was changed": (
        lambda new: fields(new, "weights", "WeightsRecord").update(prefix='str, default "/api"'),
        "weights: WeightsRecord.prefix: was",
    ),
    "a field that must be there was added": (
        lambda new: fields(new, "dead-letter", "DeadLetter").update(host="str, required"),
        "dead-letter: DeadLetter.host: was added without a default",
    ),
    "fields of an array changed places": (
        lambda new: reordered(fields(new, "telemetry", "RoutingKey")),
        "telemetry: RoutingKey: the order of its fields was release, variant, segment, era, revision, now it is ",
    ),
    "a field was put before others of an array": (
        inserted,
        "telemetry: RoutingKey: the order of its fields was",
    ),
    "a map became an array": (
        lambda new: new["evidence"]["structs"]["Tick"].update(is_array=True),
        "evidence: Tick: is an array: was False, now it is True",
    ),
    "a tag was changed": (
        lambda new: new["evidence"]["structs"]["Panes"].update(tag="t=pane"),
        "evidence: Panes: its tag: was 't=panes', now it is 't=pane'",
    ),
    "a kind of record was added": (
        lambda new: new["evidence"].update(root="Command|Panes|Reactions|Sidecars|Spec|Tick|Vote"),
        "evidence: its type: was 'Command|Panes|Reactions|Sidecars|Spec|Tick', now it is",
    ),
    "an enumeration got a member": (
        lambda new: fields(new, "decision", "Decision").update(phase="'progressing'|'levitating', required"),
        "decision: Decision.phase: was",
    ),
    "a code was changed": (
        lambda new: new["telemetry"]["constants"]["failures"].update(TIMEOUT=9),
        "telemetry: failures: was",
    ),
    "a column got wider": (
        lambda new: new["telemetry"]["constants"]["columns"][1].__setitem__(1, "I"),
        "telemetry: columns: was",
    ),
    "counters changed places": (
        lambda new: new["evidence"]["constants"]["counts"].reverse(),
        "evidence: counts: was",
    ),
    "kinds of failure changed places": (
        lambda new: new["evidence"]["constants"]["failures"].reverse(),
        "evidence: failures: was",
    ),
    "values got another scale": (
        lambda new: new["evidence"]["constants"].update(value_scale=1 << 24),
        "evidence: value_scale: was 1048576, now it is 16777216",
    ),
    "buckets got other edges": (
        lambda new: new["evidence"]["constants"].update(bucket_edges_crc32=1),
        "evidence: bucket_edges_crc32: was",
    ),
    "a key was moved": (
        lambda new: new["places"]["constants"]["keys"].reverse(),
        "places: keys: was",
    ),
    "a field of the release file was taken away": (
        lambda new: fields(new, "release", "Limits").pop("maxStep"),
        "release: Limits.maxStep: is gone",
    ),
    "a kind was taken away": (lambda new: new.pop("worker-report"), "worker-report: is gone"),
    "a version went back": (
        lambda new: new["release-snapshot"].update(version=1),
        "release-snapshot: version 1 came after",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKING)
def test_a_change_that_others_cannot_read_is_caught(case: str) -> None:
    change, expected = BREAKING[case]
    new = copy.deepcopy(recorded_shapes())
    change(new)
    assert breaks(recorded_shapes(), new)[0].startswith(expected)


def test_a_field_with_a_default_and_a_constant_may_be_added() -> None:
    new = recorded_shapes()
    fields(new, "decision", "Decision")["note"] = 'str, default ""'
    fields(new, "telemetry", "RoutingKey")["region"] = 'str, default ""'
    new["vote"] = new["weights"]
    new["evidence"]["constants"]["moods"] = ["cheerful"]
    assert breaks(recorded_shapes(), new) == []


def test_a_new_version_may_change_anything() -> None:
    new = recorded_shapes()
    new["weights"] = {"version": 99, "root": "Shares", "structs": {}, "constants": {}}
    assert breaks(recorded_shapes(), new) == []


def test_a_sample_is_never_written_over(tmp_path: Path) -> None:
    samples, file = tmp_path / "samples", tmp_path / "shapes.json"
    assert len(write(samples, file)) == len(SAMPLES) + 1
    old = samples / place(SAMPLES[0])
    old.write_bytes(b"as an older release wrote it")
    assert write(samples, file) == []
    assert old.read_bytes() == b"as an older release wrote it"


def test_a_shape_that_breaks_is_not_recorded(tmp_path: Path) -> None:
    samples, file = tmp_path / "samples", tmp_path / "shapes.json"
    write(samples, file)
    recorded = json.loads(file.read_text())
    fields(recorded, "weights", "WeightsRecord")["color"] = "str, required"
    file.write_text(json.dumps(recorded))
    with pytest.raises(SystemExit, match=r"(?s)weights: WeightsRecord.color: is gone.*raise the version"):
        write(samples, file)
    assert json.loads(file.read_text()) == recorded
