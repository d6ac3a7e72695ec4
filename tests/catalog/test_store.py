"""What every store keeps to."""

import threading

import pytest

from catalog.builders import digits, node, nodes_of, put
from trimtab.catalog.entry import Change, Changes, Value
from trimtab.catalog.errors import CatalogError, Cycle, DanglingEdge, TooMuch, UnknownNode
from trimtab.catalog.figure import MAX_SERIES, MAX_TIMES, Figure
from trimtab.catalog.node import Model
from trimtab.catalog.store import Store
from trimtab.schemas.model_ref import ModelRef

V1, V2 = ModelRef("model/digits:1"), ModelRef("model/digits:2")


def refs(store: Store, since: int = 0) -> list[str]:
    return [row.ref for row in store.changes(since).rows]


def test_what_was_written_is_read_back(store: Store) -> None:
    nodes = digits()
    written = put(store, *nodes)
    assert set(written.outcomes.values()) == {"created"}
    assert written.revision == store.revision() == 1
    assert {one.ref: one.model_dump() for one in nodes_of(store)} == {
        one.ref: {**one.model_dump(), **({"performance": ()} if hasattr(one, "performance") else {})} for one in nodes
    }
    entry = store.entry(V2)
    assert {key: (one.value, one.time_s) for key, one in entry.figures.items()} == {
        "accuracy": (0.969, 1_000), "p99_ms": (13.0, 1_000),
    }  # fmt: skip
    assert (entry.revision, entry.revoked) == (1, None)


def test_an_empty_catalogue_has_nothing(store: Store) -> None:
    assert (store.revision(), store.changes()) == (0, Changes(0, [], {}))
    for ask in (store.entry, store.history, lambda ref: store.lineage(ref, "up")):
        with pytest.raises(UnknownNode, match="there is no model/digits:1 in the catalogue"):
            ask(V1)


def test_what_changes_nothing_makes_no_revision(store: Store) -> None:
    put(store, *digits())
    again = put(store, *digits(), time_s=2_000)
    assert set(again.outcomes.values()) == {"unchanged"}
    assert again.revision == store.revision() == 1
    assert [figure.time_s for figure in store.history(V1)] == [1_000, 1_000]


def test_a_node_may_be_written_before_what_it_rests_on_if_both_are_written_together(store: Store) -> None:
    put(store, node("run/b", "dataset/a"), node("dataset/a"))
    assert refs(store) == ["dataset/a", "run/b"]


def test_an_edge_that_ends_nowhere_is_refused_with_both_ends_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(DanglingEdge, match=r"^run/b -> dataset/gone: there is no dataset/gone in the catalogue"):
        put(store, node("dataset/a"), node("run/b", "dataset/a", "dataset/gone"))
    assert (store.revision(), store.changes()) == (0, Changes(0, [], {}))


def test_a_cycle_is_refused_with_its_path_and_nothing_is_written(store: Store) -> None:
    put(store, node("dataset/a"), node("run/r", "dataset/a"), node("m:1", "run/r"), node("dataset/b", "model/m:1"))
    path = r"dataset/a -> dataset/b -> model/m:1 -> run/r -> dataset/a: dataset/a would rest on itself"
    with pytest.raises(Cycle, match=f"^{path}$"):
        put(store, node("dataset/a", "dataset/b"), node("dataset/c"))
    with pytest.raises(Cycle, match=r"^dataset/x -> dataset/x: dataset/x would rest on itself$"):
        put(store, node("dataset/x", "dataset/x"))
    assert refs(store) == ["dataset/a", "dataset/b", "model/m:1", "run/r"]
    assert store.entry(ModelRef("dataset/a")).node.edges == ()


def test_a_long_chain_is_no_cycle(store: Store) -> None:
    chain = [node("dataset/d0"), *(node(f"dataset/d{at}", f"dataset/d{at - 1}") for at in range(1, 1_500))]
    put(store, *chain)
    with pytest.raises(Cycle, match=r"dataset/d0 -> dataset/d1499 -> .*\(1477 more\).* -> dataset/d1 -> dataset/d0: "):
        put(store, node("dataset/d0", "dataset/d1499"))


def test_edges_of_a_node_that_is_written_again_are_replaced(store: Store) -> None:
    put(store, node("dataset/a"), node("dataset/b"), node("run/r", "dataset/a"))
    written = put(store, node("run/r", "dataset/b"))
    assert written.outcomes == {"run/r": "configured"}
    assert list(store.lineage(ModelRef("run/r"), "down").depths) == ["run/r", "dataset/b"]
    assert list(store.lineage(ModelRef("dataset/a"), "up").depths) == ["dataset/a"]


def test_lineage_leads_from_a_deployment_to_its_data_and_back(store: Store) -> None:
    put(store, *digits())
    down = store.lineage(ModelRef("deployment/digits-v2"), "down")
    assert down.depths == {
        "deployment/digits-v2": 0, "model/digits:2": 1, "run/forest": 2, "featureset/pixels": 3,
        "parameters/forest": 3, "project/post": 3, "dataset/scans": 4,
    }  # fmt: skip
    assert (V2, "run/forest") in down.edges
    assert ("featureset/pixels", "dataset/scans") in down.edges
    up = store.lineage(ModelRef("dataset/labels"), "up")
    assert list(up.depths) == ["dataset/labels", "run/logistic", V1, "deployment/digits-v1"]
    assert up.edges == [("run/logistic", "dataset/labels"), (V1, "run/logistic"), ("deployment/digits-v1", V1)]
    both = store.lineage(ModelRef("dataset/scans"), "up").depths
    assert {"deployment/digits-v1", "deployment/digits-v2"} <= both.keys()


def test_lineage_ends_at_its_depth(store: Store) -> None:
    put(store, *digits())
    assert list(store.lineage(V1, "down", 1).depths) == [V1, "run/logistic"]
    assert list(store.lineage(V1, "down", 0).depths) == [V1]


def test_revoking_is_kept_with_its_reason_until_it_is_undone(store: Store) -> None:
    put(store, *digits())
    dataset = ModelRef("dataset/labels")
    written = store.write(Change(revoked={dataset: "no consent"}, actor="ada", time_s=5))
    assert (written.outcomes, written.revision) == ({dataset: "configured"}, 2)
    revoked = store.entry(dataset).revoked
    assert revoked is not None
    assert (revoked.reason, revoked.actor, revoked.time_s) == ("no consent", "ada", 5)
    assert store.lineage(V1, "down").revoked == {dataset}
    put(store, node("dataset/labels", "dataset/scans", description="again"))
    assert store.entry(dataset).revoked == revoked
    assert store.write(Change(revoked={dataset: "twice"})).outcomes == {dataset: "unchanged"}
    store.write(Change(revoked={dataset: ""}))
    assert store.entry(dataset).revoked is None


def test_a_reason_that_no_message_could_carry_is_refused(store: Store) -> None:
    put(store, *digits())
    with pytest.raises(TooMuch, match="dataset/labels: expected a reason of at most 1000 characters, got 1001"):
        store.write(Change(revoked={ModelRef("dataset/labels"): "x" * 1_001}))
    assert store.entry(ModelRef("dataset/labels")).revoked is None
    store.write(Change(revoked={ModelRef("dataset/labels"): "x" * 1_000}))


def test_changes_since_a_revision_are_found(store: Store) -> None:
    put(store, *digits())
    before = store.revision()
    store.write(Change(revoked={V1: "wrong"}))
    store.write(Change(figures={V2: (Figure(metric="auc", value=0.9),)}, time_s=9))
    assert refs(store, before) == [V1, V2]
    assert refs(store, before + 1) == [V2]
    assert store.changes(before + 1).figures == {
        V2: {"accuracy": Value(0.969, 1_000), "auc": Value(0.9, 9), "p99_ms": Value(13.0, 1_000)}
    }
    assert store.changes(before).revision == store.revision()
    assert refs(store, store.revision()) == []


def test_an_alias_belongs_to_the_version_that_was_given_it_last(store: Store) -> None:
    put(store, node("digits:1", aliases=["champion", "stable"]), node("digits-2:1", aliases=["champion"]))
    written = put(store, node("digits:2", aliases=["champion"]))
    assert written.outcomes == {V2: "created", V1: "configured"}
    models = [one for one in nodes_of(store) if isinstance(one, Model)]
    assert {model.ref: model.aliases for model in models} == {
        V1: ("stable",), V2: ("champion",), "model/digits-2:1": ("champion",),
    }  # fmt: skip
    assert refs(store, 1) == [V1, V2]


def test_the_newest_figure_counts_and_the_history_stays(store: Store) -> None:
    put(store, *digits())
    late = (
        Figure(metric="accuracy", value=0.5, time_s=10),
        Figure(metric="accuracy", value=0.9, segment="eu", count=7),
    )
    store.write(Change(figures={V1: late}, time_s=3_000))
    newest = store.entry(V1).figures
    assert (newest["accuracy"].value, newest["accuracy[eu]"].value, newest["accuracy[eu]"].count) == (0.946, 0.9, 7)
    assert [(one.key, one.time_s, one.value) for one in store.history(V1)] == [
        ("accuracy", 10, 0.5), ("accuracy", 1_000, 0.946), ("accuracy[eu]", 3_000, 0.9), ("p99_ms", 1_000, 1.0),
    ]  # fmt: skip


def test_figures_are_bounded_the_newest_stay(store: Store) -> None:
    put(store, *digits())
    many = tuple(Figure(metric="loss", value=at, time_s=at) for at in range(1, MAX_TIMES + 11))
    store.write(Change(figures={V1: many}))
    left = [one.time_s for one in store.history(V1) if one.metric == "loss"]
    assert left == list(range(11, MAX_TIMES + 11))


def test_too_many_metrics_and_segments_are_refused(store: Store) -> None:
    put(store, *digits())
    many = tuple(Figure(metric="loss", value=1, segment=f"s{at}") for at in range(MAX_SERIES + 1))
    with pytest.raises(TooMuch, match=f"^model/digits:1: expected at most {MAX_SERIES} metrics and segments$"):
        store.write(Change(figures={V1: many}))
    assert len(store.history(V1)) == 2


def test_figures_of_what_has_none_are_refused(store: Store) -> None:
    put(store, *digits())
    with pytest.raises(TooMuch, match=r"^run/forest: figures are of models and deployments, got some of a run$"):
        store.write(Change(figures={ModelRef("run/forest"): (Figure(metric="loss", value=1),)}))


@pytest.mark.parametrize("change", [
    Change(figures={ModelRef("model/ghost:1"): (Figure(metric="loss", value=1),)}),
    Change(revoked={ModelRef("model/ghost:1"): "why"}),
], ids=["figures", "revocation"])  # fmt: skip
def test_what_is_not_there_takes_nothing(store: Store, change: Change) -> None:
    put(store, *digits())
    with pytest.raises(UnknownNode, match=r"^there is no model/ghost:1 in the catalogue$"):
        store.write(change._replace(nodes=(node("dataset/new"),)))
    assert "dataset/new" not in refs(store)


def test_two_writers_cannot_make_a_cycle_together(store: Store) -> None:
    """Each of them alone would be right: one of the two is refused."""
    put(store, node("dataset/a"), node("dataset/b"))
    refused: list[CatalogError] = []

    def write(name: str, other: str) -> None:
        try:
            put(store, node(f"dataset/{name}", f"dataset/{other}"))
        except CatalogError as error:
            refused.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in refused] == [Cycle]
    assert store.revision() == 2


def test_of_two_figures_of_the_same_time_the_last_counts(store: Store) -> None:
    put(store, *digits())
    twice = tuple(Figure(metric="auc", value=value, time_s=7) for value in (0.1, 0.2))
    store.write(Change(figures={V1: twice}))
    store.write(Change(figures={V1: (Figure(metric="auc", value=0.3, time_s=7),)}))
    assert [one.value for one in store.history(V1) if one.metric == "auc"] == [0.3]
