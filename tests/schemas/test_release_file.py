import json
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.release_text import CANARY, FULL, with_change
from trimtab.schemas.errors import InvalidRelease
from trimtab.schemas.release_file import dump, load

HOLD = "type: canary\n    hold: "


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidRelease) as refusal:
        load(text, "f.yaml")
    assert [str(problem) for problem in refusal.value.problems] == str(refusal.value).splitlines()
    return str(refusal.value).splitlines()


def test_a_release_file_is_read() -> None:
    [release] = load(FULL, "f.yaml")
    assert release.name == "checkout"
    assert [variant.at_proxy for variant in release.spec.variants] == ["checkout-v1", "checkout-v2", "v3"]
    assert [rail.window for rail in release.spec.guardrails] == [10_000, 60_000]
    assert release.spec.strategy.type == "bandit"
    assert release.spec.strategy.interval == 500


def test_what_is_left_out_takes_its_default() -> None:
    [release] = load(CANARY, "f.yaml")
    assert release.spec.route.prefix == "/"
    assert release.spec.limits.max_step == 2_000
    assert release.spec.strategy.type == "canary"
    assert release.spec.strategy.steps == (500, 2_500, 5_000)
    assert release.spec.strategy.hold == 10_000
    assert (release.spec.stale_weights.after, release.spec.stale_weights.then) == (60_000, "keep")


def test_json_is_read_too() -> None:
    assert load(json.dumps(yaml.safe_load(FULL)), "f.json") == load(FULL, "f.yaml")


def test_anchors_and_merge_keys_are_read() -> None:
    text = with_change("    - name: v1\n    - name: v2\n", "    - &v\n      name: v1\n    - <<: *v\n      name: v2\n")
    assert load(text, "f.yaml") == load(CANARY, "f.yaml")


def test_a_byte_order_mark_is_passed_over() -> None:
    assert load("\ufeff" + CANARY, "f.yaml") == load(CANARY, "f.yaml")


def test_several_documents_are_read_in_their_order() -> None:
    text = "---\n".join([CANARY, FULL.replace("name: checkout", "name: search")])
    assert [release.name for release in load(text, "f.yaml")] == ["checkout", "search"]


def test_what_is_dumped_is_read_back() -> None:
    [release] = load(FULL, "f.yaml")
    assert load(dump(release), "f.yaml") == [release]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert problems(text) == ["f.yaml:1: (document): expected a release, found an empty file"]


NAME = "expected a text that matches ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
RELEASE_NAME = (
    r"expected a text that matches ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"
)
DURATION = "expected a duration such as 500ms, 10s or 5m"
LATENCIES = "'latency_p50_ms', 'latency_p90_ms', 'latency_p95_ms', 'latency_p99_ms'"
GUARDED = f"'error_rate', 'client_error_rate', {LATENCIES}, 'outcome', 'metric', 'sample_ratio', 'reaction_time'"
MISTAKES = [
    # the document
    ("null", "1: (document): expected a mapping, got None"),
    ("hello", "1: (document): expected a mapping, got 'hello'"),
    ("- 1\n- 2", "1: (document): expected a mapping, got [1, 2]"),
    (with_change("/v1", "/v2"), "1: apiVersion: expected 'trimtab.dev/v1', got 'trimtab.dev/v2'"),
    (with_change("apiVersion: trimtab.dev/v1\n", ""), "1: apiVersion: expected a value, found none"),
    (with_change("kind: Release", "kind: Pod"), "2: kind: expected 'Release', got 'Pod'"),
    (CANARY + "status: {}\n", "12: status: no such field"),
    (CANARY + "kind: Release\n", "12: kind: stands twice"),
    # metadata
    (with_change("  name: checkout", "  name: Checkout"), f"4: metadata.name: {RELEASE_NAME}, got 'Checkout'"),
    (with_change("  name: checkout", f"  name: {'c' * 64}"), f"4: metadata.name: {RELEASE_NAME}, got '{'c' * 64}'"),
    (with_change("  name: checkout", r'  name: "checkout\n"'), rf"4: metadata.name: {RELEASE_NAME}, got 'checkout\n'"),
    (with_change("  name: checkout", "  name: 12"), "4: metadata.name: expected a text, got 12"),
    (with_change("  name: checkout", "  name:"), "4: metadata.name: expected a text, got None"),
    (with_change("  name: checkout", "  labels: {}"), "3: metadata.name: expected a value, found none"),
    (
        with_change("  name: checkout", "  name: checkout\n  labels: [a]"),
        "5: metadata.labels: expected a mapping, got ['a']",
    ),
    (
        with_change("  name: checkout", "  name: checkout\n  labels:\n    a: 1"),
        "6: metadata.labels.a: expected a text, got 1",
    ),
    (with_change("  name: checkout", "  name: checkout\n  name: other"), "5: metadata.name: stands twice"),
    (
        with_change("  name: checkout", "  name: 2020-01-01"),
        "4: metadata.name: expected a text, got datetime.date(2020, 1, 1)",
    ),
    (
        with_change("  name: checkout", "  name: 2020-02-30"),
        "4: metadata.name: cannot be read as timestamp: '2020-02-30'",
    ),
    # variants
    (with_change("baseline: v1", "baseline: v9"), "6: spec.baseline: expected one of the variants v1, v2, got 'v9'"),
    (with_change("    - name: v2\n", ""), "7: spec.variants: expected at least 2, got 1"),
    (with_change("    - name: v2\n", "    - name: v1\n"), "7: spec.variants: name 'v1' stands twice"),
    (
        with_change("    - name: v2\n", "    - name: v2\n      target: v1\n"),
        "7: spec.variants: target 'v1' stands twice",
    ),
    (with_change("    - name: v2\n", "    - name: V2\n"), f"9: spec.variants[1].name: {NAME}, got 'V2'"),
    (with_change("    - name: v2\n", "    - v2\n"), "9: spec.variants[1]: expected a mapping, got 'v2'"),
    (
        with_change("    - name: v1\n    - name: v2\n", "    v1: {}\n"),
        "7: spec.variants: expected a list, got {'v1': {}}",
    ),
    # route and objective
    (CANARY + "  route: {prefix: api}\n", "12: spec.route.prefix: expected a text that matches ^/, got 'api'"),
    (CANARY + "  objective: {goal: max}\n", "12: spec.objective.goal: expected 'maximize' or 'minimize', got 'max'"),
    (CANARY + "  objective: {metric: ''}\n", "12: spec.objective.metric: expected at least 1 character, got ''"),
    # guardrails
    (CANARY + "  guardrails:\n  - {max: 1}\n", "13: spec.guardrails[0].metric: expected a value, found none"),
    (
        CANARY + "  guardrails:\n  - {metric: foo, max: 1}\n",
        f"13: spec.guardrails[0].metric: expected one of {GUARDED}, got 'foo'",
    ),
    (
        CANARY + "  guardrails:\n  - metric: error_rate\n",
        "13: spec.guardrails[0].max: expected a value here or in maxRatio, found none",
    ),
    (
        CANARY + "  guardrails:\n  - metric: error_rate\n    max: 5\n",
        "14: spec.guardrails[0].max: expected below 1.0, got 5",
    ),
    (
        CANARY + "  guardrails:\n  - metric: error_rate\n    max: 0\n",
        "14: spec.guardrails[0].max: expected above 0.0, got 0",
    ),
    (
        CANARY + "  guardrails:\n  - metric: error_rate\n    max: .nan\n",
        "14: spec.guardrails[0].max: expected below 1.0, got nan",
    ),
    (
        CANARY + "  guardrails:\n  - metric: latency_p99_ms\n    max: .inf\n",
        "14: spec.guardrails[0].max: expected a finite number, got inf",
    ),
    (
        CANARY + "  guardrails:\n  - metric: error_rate\n    max: 0.5\n    window: 20s\n",
        "15: spec.guardrails[0].window: expected one of 10s, 30s, 1m, 5m, 15m, 1h, got 20s",
    ),
    (
        CANARY + "  guardrails:\n  - {metric: error_rate, max: 0.5}\n  - {metric: error_rate, max: 0.4}\n",
        "12: spec.guardrails: name 'error_rate over 10s' stands twice",
    ),
    (
        CANARY + "  guardrails:\n  - {metric: error_rate, max: 0.5, confidence: 0.5}\n",
        "13: spec.guardrails[0].confidence: expected above 0.5, got 0.5",
    ),
    (
        CANARY + "  guardrails:\n  - {metric: error_rate, max: 0.5, minSamples: 0}\n",
        "13: spec.guardrails[0].minSamples: expected at least 1, got 0",
    ),
    (
        CANARY + "  guardrails:\n  - {metric: error_rate, maxRatio: 0.9}\n",
        "13: spec.guardrails[0].maxRatio: expected at least 1.0, got 0.9",
    ),
    (
        CANARY + "  guardrails:\n  - {metric: outcome, name: revenue}\n",
        "13: spec.guardrails[0].max: expected a value here or in min, maxRatio, minRatio, found none",
    ),
    *[
        (
            f"{CANARY}  guardrails:\n  - {{metric: {bounded}, min: 2, max: 1.5}}\n",
            "13: spec.guardrails[0].min: expected at most max 1.5, got 2",
        )
        for bounded in ("outcome, name: revenue", "metric, name: rate")
    ],
    (CANARY + "  falseAborts: 0.5\n", "12: spec.falseAborts: expected below 0.5, got 0.5"),
    # limits
    (CANARY + "  limits:\n", "12: spec.limits: expected a mapping, got None"),
    (CANARY + "  limits: {minWeight: 5.5}\n", "12: spec.limits.minWeight: expected a whole number, got 5.5"),
    (CANARY + "  limits: {minWeight: '5'}\n", "12: spec.limits.minWeight: expected a whole number, got '5'"),
    (CANARY + "  limits: {minWeight: true}\n", "12: spec.limits.minWeight: expected a whole number, got True"),
    (CANARY + "  limits: {minWeight: -5}\n", "12: spec.limits.minWeight: expected at least 0, got -5"),
    (CANARY + "  limits: {minWeight: 6000}\n", "12: spec.limits.minWeight: 2 variants x 6000 bp is 12000, over 10000"),
    (CANARY + "  limits: {maxWeight: 50}\n", "12: spec.limits.maxWeight: expected at least minWeight 100, got 50"),
    (CANARY + "  limits: {maxStep: 0}\n", "12: spec.limits.maxStep: expected at least 1, got 0"),
    (CANARY + "  limits: {min_weight: 5}\n", "12: spec.limits.min_weight: no such field"),
    # stale weights
    (
        CANARY + "  staleWeights: {then: rollback}\n",
        "12: spec.staleWeights.then: expected 'keep' or 'baseline', got 'rollback'",
    ),
    (
        CANARY + "  staleWeights:\n    after: 5s\n",
        "13: spec.staleWeights.after: expected at least 15s, for workers vouch for weights every 5s, got 5s",
    ),
    (CANARY + "  staleWeights: {after: never}\n", f"12: spec.staleWeights.after: {DURATION}, got 'never'"),
    (CANARY + "  staleWeights: baseline\n", "12: spec.staleWeights: expected a mapping, got 'baseline'"),
    (CANARY + "  staleWeights: {afterS: 60}\n", "12: spec.staleWeights.afterS: no such field"),
    # strategy
    (with_change("  strategy:\n    type: canary\n", ""), "5: spec.strategy: expected a value, found none"),
    (
        with_change("  strategy:\n    type: canary\n", "  strategy: canary\n"),
        "10: spec.strategy: expected a mapping, got 'canary'",
    ),
    (
        with_change("type: canary", "type: '?'"),
        (
            "11: spec.strategy.type: expected one of 'canary', 'blueGreen', 'abTest', 'shadow', 'bandit', 'ensemble',"
            " got '?'"
        ),
    ),
    (with_change("type: canary", "hold: 5s"), "10: spec.strategy.type: expected a value, found none"),
    (with_change("type: canary", "type: bandit\n    steps: [5]"), "12: spec.strategy.steps: no such field"),
    (with_change("type: canary", "type: canary\n    steps: []"), "12: spec.strategy.steps: expected at least 1, got 0"),
    (
        with_change("type: canary", "type: canary\n    steps:\n    - 5\n    - a"),
        "14: spec.strategy.steps[1]: expected a whole number, got 'a'",
    ),
    (
        with_change("type: canary", "type: canary\n    steps: [20000]"),
        "12: spec.strategy.steps[0]: expected at most 10000, got 20000",
    ),
    (
        with_change("type: canary", "type: canary\n    steps: [5, 5]"),
        "12: spec.strategy.steps: expected rising shares above 0, got [5, 5]",
    ),
    (
        with_change("type: canary", "type: canary\n    steps: [0, 5]"),
        "12: spec.strategy.steps: expected rising shares above 0, got [0, 5]",
    ),
    (
        with_change("type: canary", "type: canary\n    steps: [5000]") + "  limits: {maxWeight: 4000}\n",
        "12: spec.strategy.steps: 5000 is over the 4000 bp that limits.maxWeight leaves",
    ),
    (
        with_change("type: canary", "type: shadow\n    then: {type: canary, steps: [5, 5]}"),
        "12: spec.strategy.then.steps: expected rising shares above 0, got [5, 5]",
    ),
    (
        with_change("type: canary", "type: shadow\n    then: {type: shadow}"),
        "12: spec.strategy.then.type: expected one of 'canary', 'blueGreen', 'abTest', 'bandit', got 'shadow'",
    ),
    (
        with_change("type: canary", "type: shadow\n    then: {type: abTest, split: {stable: 5000, other: 5000}}"),
        "12: spec.strategy.then.split: expected a share of each of v1, v2, got stable, other",
    ),
    (
        with_change("type: canary", "type: bandt"),
        (
            "11: spec.strategy.type: expected one of 'canary', 'blueGreen', 'abTest', 'shadow', 'bandit', 'ensemble',"
            " got 'bandt'; did you mean bandit?"
        ),
    ),
    (
        with_change("type: canary", "type: canary\n    advance: Manual"),
        "12: spec.strategy.advance: expected 'evidence', 'time' or 'manual', got 'Manual'; did you mean manual?",
    ),
    (
        with_change("type: canary", "type: bandit\n    policy: {type: entryPoint, name: x, parameters: {a: [1]}}"),
        ("12: spec.strategy.policy.parameters.a: expected a text, a finite number, true or false, got [1]"),
    ),
    (
        with_change("type: canary", "type: bandit\n    policy: {type: entryPoint, name: x, parameters: {a: .nan}}"),
        "12: spec.strategy.policy.parameters.a: expected a text, a finite number, true or false, got nan",
    ),
    (
        with_change("type: canary", "type: bandit") + "  objective: {metric: c, prior: {mean: 2, strength: 9}}\n",
        "12: spec.objective.prior.mean: expected a share between 0 and 1, got 2",
    ),
    (
        CANARY + "  objective: {metric: c, prior: {variants: {v9: {mean: 0.5, strength: 9}}}}\n",
        "12: spec.objective.prior.variants: expected a variant out of v1, v2; got 'v9'",
    ),
    (
        CANARY + "  guardrails: [{metric: eror_rate, max: 0.1}]\n",
        f"12: spec.guardrails[0].metric: expected one of {GUARDED}, got 'eror_rate'; did you mean error_rate?",
    ),
    (
        CANARY + "  guardrails: [{metric: error_rate, max: 0.1, warmUp: -3}]\n",
        "12: spec.guardrails[0].warmUp: expected a duration of at least 0, got -3s",
    ),
    (
        CANARY + "  guardrails: [{metric: outcome, name: revenue, max: -1e+300}]\n",
        "12: spec.guardrails[0].max: expected at most 1e+15 in size, got -1e+300",
    ),
    (
        CANARY + "  metrics: [{name: m, expression: errors, parts: [{expression: errors, from: 0, to: 1}]}]\n",
        "12: spec.metrics[0].expression: no such field",
    ),
    (
        with_change("baseline: v1", "baseline: v11"),
        "6: spec.baseline: expected one of the variants v1, v2, got 'v11'; did you mean v1?",
    ),
    (
        CANARY + "  guardrails: [{metric: error_rate, maxRatio: 1e+15}]\n",
        "12: spec.guardrails[0].maxRatio: expected at most 1000, got 1e+15",
    ),
    # durations
    (with_change("type: canary", HOLD + "soon"), f"12: spec.strategy.hold: {DURATION}, got 'soon'"),
    (with_change("type: canary", HOLD + "10 s"), f"12: spec.strategy.hold: {DURATION}, got '10 s'"),
    (with_change("type: canary", HOLD + "10d"), f"12: spec.strategy.hold: {DURATION}, got '10d'"),
    (with_change("type: canary", HOLD + "true"), f"12: spec.strategy.hold: {DURATION}, got True"),
    (with_change("type: canary", HOLD + ".inf"), f"12: spec.strategy.hold: {DURATION}, got inf"),
    (with_change("type: canary", HOLD + ".nan"), f"12: spec.strategy.hold: {DURATION}, got nan"),
    (with_change("type: canary", HOLD + "[5s]"), f"12: spec.strategy.hold: {DURATION}, got ['5s']"),
    (with_change("type: canary", HOLD + "0s"), "12: spec.strategy.hold: expected a duration above 0, got 0ms"),
    (
        with_change("type: canary", HOLD + "-1.7e+308"),
        "12: spec.strategy.hold: expected a duration of at most a year (8760h), got -1.7e+308",
    ),
    (with_change("type: canary", HOLD + "-5"), "12: spec.strategy.hold: expected a duration above 0, got -5s"),
    (
        with_change("type: canary", HOLD + "9000h"),
        "12: spec.strategy.hold: expected a duration of at most a year (8760h), got '9000h'",
    ),
    (
        with_change("type: canary", HOLD + "9" * 400 + "s"),
        f"12: spec.strategy.hold: expected a duration of at most a year (8760h), got '{'9' * 79}",
    ),
    (with_change("type: canary", HOLD + "9" * 5000), f"12: spec.strategy.hold: cannot be read as int: '{'9' * 80}'"),
    # what YAML makes of it
    ("a: [1", "1: (document): not YAML: expected ',' or ']', but got '<stream end>'"),
    ("a:\n\tb: 1", r"2: (document): not YAML: found character '\t' that cannot start any token"),
    ("a: *x", "1: (document): not YAML: found undefined alias 'x'"),
    ("a: b\nc: \0", "2: (document): not YAML: special characters are not allowed"),
    (
        "!!python/x {}",
        "1: (document): not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/x'",
    ),
    (
        with_change("  name: checkout", "  name: !secret checkout"),
        "4: metadata.name: cannot be read as !secret: 'checkout'",
    ),
    (with_change("  name: checkout", "  name: !!int checkout"), "4: metadata.name: cannot be read as int: 'checkout'"),
    (
        with_change("  name: checkout", "  name: !!bool checkout"),
        "4: metadata.name: cannot be read as bool: 'checkout'",
    ),
    (
        with_change("  name: checkout", "  name: !!timestamp checkout"),
        "4: metadata.name: cannot be read as timestamp: 'checkout'",
    ),
    ("1: x\n", "1: (document): expected texts as keys"),
    ("a: b\n? [c, d]\n: e\n", "2: (document): expected texts as keys"),
    ("a:\n  ~: b\n", "2: a: expected texts as keys"),
    ("&a [*a]", "1: [0][0][0]: nested too deeply, or too long"),
    ("a: &a {b: *a}", "1: a.b.b: nested too deeply, or too long"),
    ("[" * 5000 + "]" * 5000, "1: (document): nested too deeply"),
    ("a: " + "[" * 50 + "]" * 50, "1: a[0][0]: nested too deeply, or too long"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[expected[:60] for _, expected in MISTAKES])
def test_a_mistake_is_told_with_its_line_and_field(text: str, expected: str) -> None:
    assert problems(text) == [f"f.yaml:{expected}"]


def test_of_what_may_be_a_list_or_a_mapping_only_what_is_wrong_within_it_is_told() -> None:
    wrong = with_change("    - name: v2\n", "    - {name: v2, model: {where: blessed, prefer: {accuracy: -1}}}\n")
    [told] = problems(wrong)
    assert told.endswith(": spec.variants[1].model.prefer.accuracy: expected above 0.0, got -1")
    assert [one.partition(": ")[2] for one in problems(wrong.replace("{accuracy: -1}", "7"))] == [
        "spec.variants[1].model.prefer: expected a list, got 7",
        "spec.variants[1].model.prefer: expected a mapping, got 7",
    ]


def test_a_short_text_that_unfolds_without_end_is_refused() -> None:
    names = "abcdefghijk"
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise(names))
    [problem] = problems(text)
    assert problem.endswith("nested too deeply, or too long")


def test_every_mistake_of_a_file_is_told_in_its_order() -> None:
    text = with_change("kind: Release", "kind: Pod")
    text = with_change("baseline: v1", "baseline: 1", text)
    text = with_change("type: canary", "type: canary\n    hold: soon\n    steps: [a]", text)
    assert [problem.split(": ")[1] for problem in problems(text)] == [
        "kind",
        "spec.baseline",
        "spec.strategy.steps[0]",
        "spec.strategy.hold",
    ]


def test_mistakes_of_all_documents_are_told() -> None:
    twice = CANARY.replace("checkout", "search") + "kind: Release\n"
    assert problems("---\n".join([with_change("kind: Release", "kind: Pod"), twice, CANARY + "x: 1\n"])) == [
        "f.yaml:2: kind: expected 'Release', got 'Pod'",
        "f.yaml:24: kind: stands twice",
        "f.yaml:37: x: no such field",
    ]


def test_two_releases_of_one_name_are_refused() -> None:
    assert problems(f"{CANARY}---\n{FULL}") == ["f.yaml:16: metadata.name: 'checkout' names two releases of this file"]


def test_nothing_is_given_when_one_document_is_wrong() -> None:
    assert len(problems(f"{CANARY}---\nhello")) == 1


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(InvalidRelease):
        load(text, "f.yaml")


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FULL) - 1))
    change = data.draw(st.text(max_size=3))
    try:
        releases = load(FULL[:at] + change + FULL[at + data.draw(st.integers(0, 3)) :], "f.yaml")
    except InvalidRelease as refusal:
        assert all(problem.line >= 1 for problem in refusal.problems)  # noqa: PT017 - both ends are right
    else:
        assert releases
