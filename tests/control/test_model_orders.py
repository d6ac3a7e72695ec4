"""What has to be ordered of a release so that no model answers that must not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.builders import digits, node, put
from control.decisions import arm, decision
from trimtab.catalog.entry import Change
from trimtab.catalog.errors import CatalogError
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.view import Snapshot, View
from trimtab.control.model_arms import judge, resolve
from trimtab.control.model_orders import Orders, orders
from trimtab.schemas import release_file
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.errors import InvalidRelease
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.release import Release

V1, V2 = ModelRef("model/digits:1"), ModelRef("model/digits:2")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "catalog.db")
    put(opened, *digits())
    yield opened
    opened.close()


def release(
    v1: str = "{ref: 'digits:1'}", v2: str = "{where: accuracy > 0.9, prefer: [accuracy]}", more: str = ""
) -> Release:
    text = f"""
apiVersion: trimtab.dev/v1
kind: Release
metadata: {{name: digits}}
spec:
  baseline: v1
  variants:
  - {{name: v1, target: '{{model}}-{{version}}', model: {v1}}}
  - {{name: v2, target: 'canary-{{model}}-{{version}}', model: {v2}}}
  {more}
  strategy: {{type: bandit}}
"""
    return release_file.load(text, "f.yaml")[0]


def now(store: SqliteStore) -> Snapshot:
    return View(store).now()


def revoke(store: SqliteStore, ref: str, reason: str = "withdrawn") -> None:
    store.write(Change(revoked={ModelRef(ref): reason}))


def ordered(store: SqliteStore, made: Release, of: Decision) -> Orders:
    return orders(made, of, judge(made, now(store)))


def told(found: Orders) -> list[tuple[str, str, dict[str, int]]]:
    return [(one.action, one.variant, one.weights) for one in found.commands]


def test_a_query_is_resolved_to_its_choice_and_names_the_target(store: SqliteStore) -> None:
    made = resolve(release(), now(store))
    assert [variant.at_proxy for variant in made.spec.variants] == ["digits-1", "canary-digits-2"]
    assert [variant.model and variant.model.model for variant in made.spec.variants] == [V1, V2]
    assert release_file.load(release_file.dump(made), "f") == [made]


def test_a_release_keeps_its_model_though_a_better_one_has_come(store: SqliteStore) -> None:
    made = resolve(release(), now(store))
    put(store, node("digits:3", performance={"accuracy": 0.99}))
    assert resolve(release(), now(store), made) == made
    assert ordered(store, made, decision(release="digits")) == Orders([], None, "")
    assert resolve(release(), now(store)).spec.variants[1].at_proxy == "canary-digits-3"
    other = release(v2="{where: accuracy > 0.98}")
    assert resolve(other, now(store), made).spec.variants[1].at_proxy == "canary-digits-3"


def test_a_candidate_whose_model_is_revoked_is_excluded_with_the_reason(store: SqliteStore) -> None:
    made = resolve(release(v2="{ref: 'digits:2'}"), now(store))
    revoke(store, "featureset/pixels", "leaks names")
    found = ordered(store, made, decision(release="digits"))
    assert told(found) == [("exclude", "v2", {})]
    assert found.commands[0].reason == "featureset/pixels is revoked: leaks names"
    assert found.commands[0].actor == "trimtab models"
    assert (found.release, found.helpless) == (None, "")


def test_what_is_excluded_already_is_not_ordered_again(store: SqliteStore) -> None:
    made = resolve(release(v2="{ref: 'digits:2'}"), now(store))
    revoke(store, "model/digits:2")
    gone = decision(release="digits", arms=[arm("v1"), arm("v2", excluded="why")], weights={"v1": 10_000, "v2": 0})
    assert ordered(store, made, gone) == Orders([], None, "")


def test_a_release_that_is_over_loses_the_traffic_of_a_revoked_model_and_else_stays(store: SqliteStore) -> None:
    made = resolve(release(), now(store))
    revoke(store, "model/digits:2")
    promoted = decision(release="digits", phase=Phase.PROMOTED, weights={"v1": 0, "v2": 10_000})
    found = ordered(store, made, promoted)
    assert (told(found), found.release) == ([("exclude", "v2", {})], None)
    over = decision(release="digits", phase=Phase.ROLLED_BACK, weights={"v1": 10_000, "v2": 0})
    assert ordered(store, made, over) == Orders([], None, "")


def test_a_query_whose_model_is_revoked_has_the_next_one_without_traffic(store: SqliteStore) -> None:
    made = resolve(release(v1="{where: ''}", v2="{where: accuracy > 0.9, prefer: [accuracy]}"), now(store))
    put(store, node("digits:3", performance={"accuracy": 0.95}))
    revoke(store, "model/digits:2")
    found = ordered(store, made, decision(release="digits"))
    assert ("exclude", "v2", {}) in told(found)
    assert found.release is not None
    assert found.release.spec.variants[1].at_proxy == "canary-digits-3"


def test_a_query_that_means_no_model_holds_the_release_and_says_why(store: SqliteStore) -> None:
    made = resolve(release(), now(store))
    put(store, node("digits:2", "run/forest", blessed=True))
    stricter = release(v2="{where: accuracy > 0.9 and not blessed and p99_ms > 5, resolved: 'digits:2'}")
    found = ordered(store, stricter, decision(release="digits"))
    assert told(found) == [("pause", "", {})]
    assert found.commands[0].reason.startswith("no model of 2 matches: `not blessed` excludes 1")
    for phase in (Phase.PAUSED, Phase.FROZEN, Phase.PROMOTED):
        assert ordered(store, stricter, decision(release="digits", phase=phase)).commands == []
    assert ordered(store, made, decision(release="digits")).commands == []


def test_a_revoked_model_with_nothing_in_its_place_goes_and_says_both(store: SqliteStore) -> None:
    made = resolve(release(v2="{where: p99_ms > 5}"), now(store))
    revoke(store, "model/digits:2", "wrong")
    (command,) = ordered(store, made, decision(release="digits")).commands
    assert command.action == "exclude"
    assert command.reason.startswith(
        "model/digits:2 is revoked: wrong; no model of 2 matches: `not revoked` excludes 1"
    )


def test_the_traffic_of_a_revoked_baseline_goes_to_the_others_as_they_have_it(store: SqliteStore) -> None:
    made = resolve(release(more="- {name: v3}"), now(store))
    revoke(store, "model/digits:1", "wrong")
    arms = [arm("v1"), arm("v2"), arm("v3")]
    found = ordered(store, made, decision(release="digits", arms=arms, weights={"v1": 7_000, "v2": 1_000, "v3": 2_000}))
    assert told(found) == [("set-weights", "", {"v2": 3_333, "v3": 6_667})]
    assert found.commands[0].reason == "model/digits:1 is revoked: wrong"
    moved = decision(release="digits", phase=Phase.PAUSED, arms=arms, weights={"v1": 0, "v2": 3_333, "v3": 6_667})
    assert ordered(store, made, moved) == Orders([], None, "")
    excluded = [arm("v1"), arm("v2", excluded="slow"), arm("v3")]
    weights = {"v1": 10_000, "v2": 0, "v3": 0}
    assert told(ordered(store, made, decision(release="digits", arms=excluded, weights=weights))) == [
        ("set-weights", "", {"v3": 10_000})
    ]


def test_where_nobody_may_have_the_traffic_the_release_is_held_and_it_is_said(store: SqliteStore) -> None:
    made = resolve(release(), now(store))
    revoke(store, "dataset/scans", "stolen")
    found = ordered(store, made, decision(release="digits"))
    assert [action for action, _, _ in told(found)] == ["exclude", "pause"]
    assert found.helpless.startswith("v1 is the baseline, and no other variant may have its traffic: dataset/scans is")
    over = decision(release="digits", phase=Phase.ROLLED_BACK, weights={"v1": 10_000, "v2": 0})
    assert ordered(store, made, over).commands == []
    assert ordered(store, made, over).helpless


def test_a_baseline_by_query_is_replaced_where_no_other_may_have_its_traffic(store: SqliteStore) -> None:
    made = resolve(release(v1="{where: p99_ms < 5}", v2="{ref: 'digits:2'}"), now(store))
    put(store, node("digits:3", performance={"accuracy": 0.9, "p99_ms": 2}))
    revoke(store, "dataset/scans", "stolen")
    found = ordered(store, made, decision(release="digits"))
    assert [action for action, _, _ in told(found)] == ["exclude"]
    assert (found.release and found.release.spec.variants[0].at_proxy, found.helpless) == ("digits-3", "")


def test_a_release_that_waits_for_another_has_no_traffic_to_lose(store: SqliteStore) -> None:
    made = resolve(release(), now(store))
    revoke(store, "model/digits:2")
    assert ordered(store, made, decision(release="digits", queued_behind="other")) == Orders([], None, "")


@pytest.mark.parametrize(
    ("v2", "said"),
    [
        ("{ref: 'ghost:1'}", "release digits, variant v2: there is no model/ghost:1 in the catalogue"),
        ("{where: accuracy > 1}", "release digits, variant v2: no model of 2 matches: `accuracy > 1` excludes 2"),
    ],
)
def test_what_cannot_be_resolved_is_told_with_release_and_variant(store: SqliteStore, v2: str, said: str) -> None:
    with pytest.raises(CatalogError) as caught:
        resolve(release(v2=v2), now(store))
    assert str(caught.value).startswith(said)


def test_a_revoked_model_cannot_be_applied(store: SqliteStore) -> None:
    revoke(store, "run/logistic", "a bug")
    with pytest.raises(CatalogError, match="variant v1: run/logistic is revoked: a bug"):
        resolve(release(), now(store))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{}", "model: expected ref (NAME:VERSION) or where (a query), one of them"),
        ("{ref: 'a:1', where: blessed}", "expected ref (NAME:VERSION) or where (a query), one of them"),
        ("{ref: 'a:1', prefer: [cost]}", "prefer: expected where beside it, got ref"),
        ("{ref: a}", "ref: expected a model as NAME:VERSION"),
        ("{ref: dataset/a}", "ref: expected a model as NAME:VERSION, got 'dataset/a'"),
        ("{where: 'blessed or x'}", "where: column 9: expected and, or the end"),
        ("{where: '', prefer: [A]}", "expected a metric such as accuracy"),
    ],
)
def test_a_variant_that_is_no_model_is_told_with_its_line(model: str, said: str) -> None:
    with pytest.raises(InvalidRelease) as caught:
        release(v2=model)
    assert all(problem.line == 9 for problem in caught.value.problems)
    assert said in str(caught.value)


def test_a_target_with_a_model_in_it_needs_a_model() -> None:
    with pytest.raises(InvalidRelease, match=r"target: expected a model beside \{model\} and \{version\}"):
        release(more="- {name: v3, target: 'x-{version}'}")
