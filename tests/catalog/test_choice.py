"""Which model a query means, which of those is taken, and what is said where there is none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.builders import digits, node, put
from trimtab.catalog.choice import Choice, Exclusion, choose
from trimtab.catalog.entry import Change
from trimtab.catalog.errors import NothingMatches
from trimtab.catalog.figure import Figure
from trimtab.catalog.node import AnyNode
from trimtab.catalog.pareto import front
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.view import View
from trimtab.schemas.model_ref import ModelRef, parse_ref
from trimtab.schemas.preference import ModelChoice

MODELS = [
    node("a:1", environment=["production", "staging"], region=["eu"], licence="MIT", privacy="public", blessed=True,
         aliases=["champion"], tags={"team": "search"}, performance={"accuracy": 0.95, "p99_ms": 20, "cost": 3}),
    node("a:2", environment=["staging"], region=["eu", "us"], licence="GPL-3.0", privacy="restricted",
         performance={"accuracy": 0.97, "p99_ms": 30}),
    node("b:1", environment=["production"], tags={"stage": "experiment"},
         performance=[{"metric": "accuracy", "value": 0.9}, {"metric": "accuracy", "value": 0.99, "segment": "eu"}]),
    node("b:10", performance={"accuracy": 0.9}),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "catalog.db")
    yield opened
    opened.close()


def chosen(store: SqliteStore, where: str = "", prefer: object = ()) -> Choice:
    return choose(View(store).now(), ModelChoice.model_validate({"where": where, "prefer": prefer}))


def names(choice: Choice) -> list[str]:
    return [one.ref.removeprefix("model/") for one in choice.front]


def matching(store: SqliteStore, where: str) -> list[str]:
    """Those that match: with a goal in which they differ, all of them but the unknown are told by single questions."""
    found = []
    for model in MODELS:
        name, _, version = model.ref.removeprefix("model/").partition(":")
        question = f"name = {name} and version = {version}" + (f" and ({where})" if where else "")
        found += names(chosen(store, question))
    return found


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", ["a:1", "a:2", "b:1", "b:10"]),
        ("environment = production", ["a:1", "b:1"]),
        ("environment != production", ["a:2", "b:10"]),
        ("region in (us, ap)", ["a:2"]),
        ("licence = MIT", ["a:1"]),
        ("licence != MIT", ["a:2"]),
        ("privacy <= internal", ["a:1"]),
        ("not privacy <= internal", ["a:2"]),
        ("privacy in (public, restricted)", ["a:1", "a:2"]),
        ("blessed", ["a:1"]),
        ("not blessed", ["a:2", "b:1", "b:10"]),
        ("alias = champion", ["a:1"]),
        ("has tag team", ["a:1"]),
        ("tag team = search", ["a:1"]),
        ("not tag stage = experiment", ["a:1", "a:2", "b:10"]),
        ("accuracy >= 0.95", ["a:1", "a:2"]),
        ("accuracy < 0.95", ["b:1", "b:10"]),
        ("accuracy[eu] > 0.9", ["b:1"]),
        ("p99_ms <= 100", ["a:1", "a:2"]),
        ("not p99_ms <= 25", ["a:2"]),
        ("p99_ms = 20 or cost != 3 or p99_ms = 30", ["a:1", "a:2"]),
        ("p99_ms <= 25 and blessed", ["a:1"]),
        ("serving.accuracy > 0", []),
    ],
)
def test_constraints_mean_what_they_say(store: SqliteStore, where: str, expected: list[str]) -> None:
    put(store, *MODELS)
    assert matching(store, where) == expected


def test_lineage_is_part_of_a_query(store: SqliteStore) -> None:
    put(store, *digits())
    assert names(chosen(store, "lineage excludes dataset labels")) == ["digits:2"]
    assert names(chosen(store, "lineage includes dataset labels")) == ["digits:1"]
    assert chosen(store, "lineage excludes dataset scans").front == ()
    assert names(chosen(store, "lineage excludes dataset labels and lineage includes run forest")) == ["digits:2"]
    assert set(names(chosen(store, "project = post"))) == {"digits:1", "digits:2"}


def test_what_is_revoked_and_what_rests_on_it_is_not_taken(store: SqliteStore) -> None:
    put(store, *digits())
    view = View(store)
    assert choose(view.now(), ModelChoice()).matched == 2
    store.write(Change(revoked={ModelRef("dataset/labels"): "no consent"}))
    choice = choose(view.now(), ModelChoice())
    assert names(choice) == ["digits:2"]
    assert view.now().out == {"model/digits:1": "dataset/labels is revoked: no consent"}
    assert choice.exclusions == (Exclusion("not revoked", 1, 0, 1),)
    store.write(Change(revoked={ModelRef("dataset/scans"): "stolen"}))
    with pytest.raises(NothingMatches, match=r"^no model of 2 matches: `not revoked` excludes 2 \(2 that nothing else"):
        _ = choose(view.now(), ModelChoice()).chosen
    store.write(Change(revoked={ModelRef("dataset/scans"): ""}))
    assert names(choose(view.now(), ModelChoice())) == ["digits:2"]


def test_where_nothing_matches_every_constraint_says_how_many_it_excluded(store: SqliteStore) -> None:
    put(store, *MODELS)
    choice = chosen(store, "environment = production and accuracy >= 0.96 and serving.p99_ms <= 5")
    assert (choice.considered, choice.matched) == (4, 0)
    assert choice.exclusions == (
        Exclusion("environment = production", 2, 0, 0),
        Exclusion("accuracy >= 0.96", 3, 0, 0),
        Exclusion("serving.p99_ms <= 5", 4, 4, 0, "no model has serving.p99_ms; did you mean p99_ms?"),
    )
    with pytest.raises(NothingMatches) as caught:
        _ = choice.chosen
    assert str(caught.value) == (
        "no model of 4 matches: `environment = production` excludes 2; `accuracy >= 0.96` excludes 3; `serving.p99_ms"
        " <= 5` excludes 4 (4 of them because it is not known, no model has serving.p99_ms; did you mean p99_ms?)"
    )
    (one,) = chosen(store, "accuracy >= 0.99").exclusions
    assert one.alone == 4


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ("lineage excludes dataset label", "there is no dataset/label in the catalogue; did you mean dataset/labels?"),
        ("lineage includes dataset label", "there is no dataset/label in the catalogue; did you mean dataset/labels?"),
        ("project = mail", "there is no project/mail in the catalogue; did you mean project/post?"),
        ("environment = prodution", "no model has the environment prodution; did you mean production?"),
        ("licence in (MIT, BSD)", "no model has the licence BSD"),
        ("acuracy >= 0", "no model has acuracy; did you mean accuracy?"),
        ("not acuracy >= 0", "no model has acuracy; did you mean accuracy?"),
        ("has tag teams", "no model has the tag teams; did you mean team?"),
        ("(alias = none or blessed)", "no model has the alias none"),
        ("privacy = restricted", ""),
        ("not environment = production", ""),
        ("accuracy > 2", ""),
    ],
)
def test_what_the_catalogue_does_not_know_is_told_where_nothing_matches(
    store: SqliteStore, where: str, hint: str
) -> None:
    put(store, *digits(), node("letters:1", environment=["production"], tags={"team": "post"}, privacy="public"))
    put(store, *(node(f"digits:{at}", f"run/{run}", environment=["production"], performance={"accuracy": 0.9})
                 for at, run in ((1, "logistic"), (2, "forest"))))  # fmt: skip
    choice = chosen(store, where)
    assert (choice.matched, [one.hint for one in choice.exclusions]) == (0, [hint])
    if hint:
        with pytest.raises(NothingMatches, match=re.escape(hint)):
            _ = choice.chosen


def test_a_dataset_that_the_catalogue_does_not_know_lets_nothing_pass(store: SqliteStore) -> None:
    put(store, *digits())
    assert names(chosen(store, "lineage excludes dataset lables")) == []
    assert names(chosen(store, "not lineage includes dataset lables")) == []
    assert names(chosen(store, "(lineage excludes dataset lables or p99_ms < 5)")) == ["digits:1"]


def test_an_empty_catalogue_says_so(store: SqliteStore) -> None:
    with pytest.raises(NothingMatches, match=r"^no model matches: the catalogue has none$"):
        _ = chosen(store).chosen


def test_what_something_else_beats_is_not_on_the_front(store: SqliteStore) -> None:
    put(store, *MODELS)
    assert names(chosen(store)) == ["a:2", "a:1"]
    put(store, node("a:3", performance={"accuracy": 0.97, "p99_ms": 10, "cost": 1}))
    assert names(chosen(store)) == ["a:3"]


def test_a_figure_that_is_not_known_counts_as_the_worst(store: SqliteStore) -> None:
    put(store, node("fast:1", performance={"p99_ms": 5}), node("good:1", performance={"accuracy": 0.9}))
    assert names(chosen(store)) == ["good:1", "fast:1"]
    put(store, node("both:1", performance={"accuracy": 0.9, "p99_ms": 5}))
    assert names(chosen(store)) == ["both:1"]


def test_an_order_decides_by_its_first_goal(store: SqliteStore) -> None:
    put(store, *digits())
    assert names(chosen(store, prefer=["p99_ms", "accuracy"])) == ["digits:1", "digits:2"]
    assert names(chosen(store, prefer=["accuracy"])) == ["digits:2", "digits:1"]
    assert names(chosen(store, prefer=["max p99_ms"])) == ["digits:2"]


def test_weights_are_of_goals_scaled_over_the_front(store: SqliteStore) -> None:
    put(
        store,
        *(
            node(f"m:{at}", performance={"accuracy": accuracy, "p99_ms": p99_ms})
            for at, accuracy, p99_ms in ((1, 0.9, 10), (2, 0.96, 15), (3, 1.0, 30))
        ),
    )
    choice = chosen(store, prefer={"accuracy": 3, "p99_ms": 1})
    assert names(choice) == ["m:3", "m:2", "m:1"]
    assert [one.score for one in choice.front] == [
        pytest.approx(0.75), pytest.approx(0.75 * 0.6 + 0.25 * 0.75), pytest.approx(0.25),
    ]  # fmt: skip
    assert names(chosen(store, prefer={"accuracy": 1, "p99_ms": 1})) == ["m:2", "m:3", "m:1"]


def test_weights_are_of_numbers_however_large(store: SqliteStore) -> None:
    figures = ({"gain": 1.7e308, "a": 1.0}, {"gain": -1.7e308, "a": 3.0}, {"gain": 0.0, "a": 2.0})
    put(store, *(node(f"m:{at}", performance=one) for at, one in enumerate(figures)))
    choice = chosen(store, "", {"gain": 3, "a": 1})
    assert [(one.ref[-1], one.score) for one in choice.front] == [("0", 0.75), ("2", 0.5), ("1", 0.25)]


def test_equals_are_ranked_by_name_and_the_newest_version_first(store: SqliteStore) -> None:
    put(store, *(node(ref) for ref in ("b:9", "b:10", "a:1.9", "a:1.10", "a:x")))
    assert names(chosen(store)) == ["a:1.10", "a:1.9", "a:x", "b:10", "b:9"]


def test_figures_of_service_are_the_newest_of_the_deployments(store: SqliteStore) -> None:
    put(store, *digits(), node("deployment/again", "model/digits:2"))
    one, other = ModelRef("deployment/digits-v2"), ModelRef("deployment/again")
    store.write(Change(figures={one: (Figure(metric="accuracy", value=0.8, time_s=50),)}))
    store.write(Change(figures={other: (Figure(metric="accuracy", value=0.7, time_s=40),)}))
    view = View(store)
    figures = {model.ref: dict(model.figures) for model in view.now().candidates}
    assert figures[ModelRef("model/digits:2")]["serving.accuracy"] == 0.8
    assert "serving.accuracy" not in figures[ModelRef("model/digits:1")]
    store.write(Change(figures={other: (Figure(metric="accuracy", value=0.9, time_s=60),)}))
    assert names(choose(view.now(), ModelChoice(where="serving.accuracy > 0.85"))) == ["digits:2"]


def test_an_answer_is_traced_to_its_data(store: SqliteStore) -> None:
    put(store, *digits(), node("deployment/later", "model/digits:1", release="digits", variant="v2", since=[7, 90]))
    now = View(store).now()
    assert now.deployment("digits", "v2", (7, 41)) == "deployment/digits-v2"
    assert now.deployment("digits", "v2", (7, 39)) is None
    assert now.deployment("digits", "v2", (8, 1)) == "deployment/later"
    assert now.deployment("digits", "v3", (8, 1)) is None
    found = now.deployment("digits", "v2", (7, 41))
    assert found is not None
    assert "dataset/scans" in store.lineage(found, "down").depths


def test_a_view_follows_its_store_and_a_snapshot_stays(store: SqliteStore) -> None:
    put(store, *digits())
    view = View(store)
    first = view.now()
    assert view.now() is first
    put(store, node("more:1", "run/logistic"))
    second = view.now()
    assert (len(first.candidates), len(second.candidates)) == (2, 3)
    assert (first.revision, second.revision) == (1, 2)
    assert "model/more:1" in second.resting_on(ModelRef("dataset/labels"))
    assert "model/more:1" not in first.resting_on(ModelRef("dataset/labels"))


_POINTS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[st.sampled_from([float("-inf"), 0.0, 1.0, 2.0, 3.0, 4.0])] * width), max_size=40)
)


@given(_POINTS)
def test_the_front_is_what_brute_force_finds(points: list[tuple[float, ...]]) -> None:
    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a >= b for a, b in zip(one, other, strict=True))

    expected = [at for at, point in enumerate(points) if not any(beats(other, point) for other in points)]
    assert front(points) == expected


@st.composite
def _catalogues(draw: st.DrawFn) -> tuple[list[AnyNode], list[str]]:
    """Gives a random graph without cycles, in which each node rests on earlier ones, and some nodes to revoke."""
    nodes: list[AnyNode] = []
    for at in range(draw(st.integers(1, 14))):
        earlier = [one.ref for one in nodes]
        rests_on = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        kind = draw(st.sampled_from(["dataset", "run", "model"]))
        may = {"dataset": ("dataset", "model", "run"), "run": ("dataset", "model"), "model": ("run", "model")}[kind]
        name = f"{kind}/n{at:02}" + (":1" if kind == "model" else "")
        nodes.append(node(name, *(one for one in rests_on if one.partition("/")[0] in may)))
    return nodes, draw(st.lists(st.sampled_from([one.ref for one in nodes]), unique=True, max_size=3))


@given(_catalogues())
def test_lineage_and_revocation_are_what_a_walk_by_hand_finds(drawn: tuple[list[AnyNode], list[str]]) -> None:
    nodes, revoked = drawn
    below: dict[str, set[str]] = {}
    for one in nodes:  # each rests on earlier ones
        below[one.ref] = set(one.edges).union(*(below[target] for target in one.edges))
    store = SqliteStore(":memory:")
    put(store, *reversed(nodes))
    store.write(Change(revoked={parse_ref(ref): "x" for ref in revoked}))
    now = View(store).now()
    for one in nodes:
        assert set(store.lineage(one.ref, "down").depths) == below[one.ref] | {one.ref}
        above = {other.ref for other in nodes if one.ref in below[other.ref]}
        assert set(store.lineage(one.ref, "up").depths) == above | {one.ref}
        assert now.resting_on(one.ref) == above
    out = {one.ref for one in nodes if one.ref.startswith("model/") and ({one.ref} | below[one.ref]) & set(revoked)}
    assert set(now.out) == out
    store.close()


def test_the_text_of_a_constraint_is_told_as_it_was_written(store: SqliteStore) -> None:
    put(store, *MODELS)
    told = re.compile(r"`not \(blessed or  accuracy>0\)` excludes 4 \(4 that nothing else excludes\)")
    with pytest.raises(NothingMatches, match=told):
        _ = chosen(store, "not (blessed or  accuracy>0)").chosen
