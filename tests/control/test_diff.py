"""What a release file would change."""

import yaml

from trimtab.control.diff import Field, difference
from trimtab.schemas.release import Release

FILE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  guardrails: [{metric: error_rate, max: 0.05}]
  strategy: {type: canary, steps: [500, 2500]}
"""


def release(text: str = FILE) -> Release:
    return Release.model_validate(yaml.safe_load(text))


def test_the_same_file_differs_in_nothing() -> None:
    found = difference(release(), release().document())
    assert (found.change, found.fields, found.lines) == ("unchanged", [], [])


def test_each_field_that_differs_is_named_with_both_values() -> None:
    other = release(FILE.replace("[500, 2500]", "[500, 1000, 2500]").replace("max: 0.05", "max: 0.02"))
    found = difference(other, release().document())
    assert found.change == "changed"
    assert found.fields == [
        Field("spec.guardrails[0].max", 0.05, 0.02),
        Field("spec.strategy.steps[1]", 2_500, 1_000),
        Field("spec.strategy.steps[2]", None, 2_500),
    ]
    assert {line for line in found.lines if line.startswith(("+ ", "- "))} == {"-    max: 0.05", "+    max: 0.02"} | {
        line for line in found.lines if line.startswith("+ ") and "1000" in line
    }


def test_a_release_that_is_not_applied_is_new_as_a_whole() -> None:
    found = difference(release(), None)
    assert found.change == "created"
    assert all(line.startswith(("+", "---", "@@")) for line in found.lines)
    assert "+  name: checkout" in found.lines
