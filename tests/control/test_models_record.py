"""What the catalogue learns of releases: who answers as what since when, and how well, at most once a minute."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.builders import digits, node, put
from control.decisions import arm, decision
from trimtab.catalog.choice import choose
from trimtab.catalog.node import Deployment
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.view import View
from trimtab.control.model_arms import with_models
from trimtab.control.models_record import Recorder
from trimtab.schemas import release_file
from trimtab.schemas.decision import Decision, SegmentArm
from trimtab.schemas.ids import Revision
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.preference import ModelChoice
from trimtab.schemas.release import Objective, Release

V1, V2 = ModelRef("model/digits:1"), ModelRef("model/digits:2")
MINUTE_MS = 60_000
LOSS = Objective(metric="log_loss", goal="minimize", values="real")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "catalog.db")
    put(opened, *[one for one in digits() if not isinstance(one, Deployment)])
    yield opened
    opened.close()


def release(v2: ModelRef = V2) -> Release:
    text = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: mail}
spec:
  baseline: v1
  variants: [{name: v1, model: {ref: "digits:1"}}, {name: v2, model: {where: ""}}, {name: v3}]
  objective: {metric: Right-First}
  strategy: {type: bandit}
"""
    return with_models(release_file.load(text, "f")[0], {"v2": v2})


def at(id_: Revision, time_ms: int = 10 * MINUTE_MS, **changes: object) -> Decision:
    return decision(release="mail", era=id_[0], revision=id_[1], time_ms=time_ms, **changes)


def deployed(store: SqliteStore, variant: str, at_: Revision) -> str | None:
    return View(store).now().deployment("mail", variant, at_)


def record(recorder: Recorder, store: SqliteStore, made: Decision, of: Release | None = None) -> None:
    recorder.record(of or release(), made, View(store).now())


def test_a_deployment_is_written_when_a_variant_is_first_seen_to_be_a_model(store: SqliteStore) -> None:
    record(Recorder(store), store, at((7, 42)))
    found = deployed(store, "v2", (7, 1))
    assert found == "deployment/mail.v2.0-0"
    assert list(store.lineage(ModelRef(found), "down", 1).depths) == [found, V2]
    assert deployed(store, "v3", (7, 99)) is None


def test_another_model_is_another_deployment_from_its_revision_on(store: SqliteStore) -> None:
    recorder = Recorder(store)
    record(recorder, store, at((7, 42)))
    put(store, node("digits:3", "run/forest"))
    record(recorder, store, at((7, 50)), release(ModelRef("model/digits:3")))
    record(recorder, store, at((7, 51)), release(ModelRef("model/digits:3")))
    assert deployed(store, "v2", (7, 49)) == "deployment/mail.v2.0-0"
    assert deployed(store, "v2", (7, 50)) == deployed(store, "v2", (7, 60)) == "deployment/mail.v2.7-50"
    assert deployed(store, "v1", (7, 60)) == "deployment/mail.v1.0-0"


def test_figures_are_those_of_the_decision_at_most_once_in_five_minutes(store: SqliteStore) -> None:
    eu = SegmentArm(
        weight=1_000,
        trials=9,
        reward_sum=4.0,
        requests=12,
        responses=12,
        errors=6,
        error_ratio=0.5,
        p50_ms=None,
        p99_ms=3.0,
        metrics={"drift": 0.25, "qoe": None},
    )
    arms = [
        arm("v1", weight=7_500, error_ratio=None, p50_ms=None, p99_ms=None, trials=0),
        arm("v2", metrics={"qoe": 0.9}, segments={"eu": eu}),
        arm("v3"),
    ]
    recorder = Recorder(store)
    for second in (0, 20, 299, 300):
        record(recorder, store, at((7, 42 + second), 10 * MINUTE_MS + second * 1_000, arms=arms))
    v2 = store.history(ModelRef("deployment/mail.v2.0-0"))
    assert {(one.key, one.value, one.count) for one in v2} == {
        ("share", 0.25, 30), ("error_ratio", 0.2, 30), ("p50_ms", 12.5, 30), ("p99_ms", 40.0, 30), ("qoe", 0.9, 30),
        ("right_first", 24 / 30, 30), ("share[eu]", 0.1, 12), ("error_ratio[eu]", 0.5, 12),
        ("p99_ms[eu]", 3.0, 12), ("drift[eu]", 0.25, 12), ("right_first[eu]", 4 / 9, 12),
    }  # fmt: skip
    assert sorted({one.time_s for one in v2}) == [600, 900]
    v1 = store.history(ModelRef("deployment/mail.v1.0-0"))
    assert {one.key for one in v1} == {"share"}
    figures = {model.ref: model.figures for model in View(store).now().candidates}
    assert figures[V2]["serving.error_ratio[eu]"] == 0.5


def test_an_objective_that_is_minimised_is_written_as_it_was_told(store: SqliteStore) -> None:
    loss = release().model_copy(update={"spec": release().spec.model_copy(update={"objective": LOSS})})
    arms = [arm("v1", trials=40, reward_sum=10.0, mean=0.75), arm("v2", trials=40, reward_sum=30.0, mean=0.25)]
    record(Recorder(store), store, at((7, 42), arms=arms), loss)
    figures = {model.ref: model.figures for model in View(store).now().candidates}
    assert (figures[V1]["serving.log_loss"], figures[V2]["serving.log_loss"]) == (0.25, 0.75)
    assert choose(View(store).now(), ModelChoice(prefer=("serving.log_loss",))).chosen == V1


def test_a_recorder_that_starts_anew_writes_a_period_in_place_of_the_same(store: SqliteStore) -> None:
    for share in (2_000, 3_000):
        record(Recorder(store), store, at((7, 42), arms=[arm("v2", weight=share)]))
    shares = [one.value for one in store.history(ModelRef("deployment/mail.v2.0-0")) if one.metric == "share"]
    assert shares == [0.3]


def test_a_period_without_responses_is_still_open(store: SqliteStore) -> None:
    recorder = Recorder(store)
    record(recorder, store, at((7, 42), arms=[arm("v2", responses=0)]))
    record(recorder, store, at((7, 43), arms=[arm("v2", weight=1_000)]))
    shares = [one.value for one in store.history(ModelRef("deployment/mail.v2.0-0")) if one.metric == "share"]
    assert shares == [0.1]


def test_a_variant_without_responses_has_no_figures(store: SqliteStore) -> None:
    record(Recorder(store), store, at((7, 42), arms=[arm("v2", responses=0)]))
    assert store.history(ModelRef("deployment/mail.v2.0-0")) == []


def test_a_model_that_the_catalogue_does_not_know_is_left_out(store: SqliteStore) -> None:
    record(Recorder(store), store, at((7, 42)), release(ModelRef("model/ghost:1")))
    assert deployed(store, "v2", (7, 42)) is None
    assert deployed(store, "v1", (7, 42)) == "deployment/mail.v1.0-0"


def test_names_that_would_be_too_long_are_made_short(store: SqliteStore) -> None:
    long = release().model_copy(
        update={"metadata": release().metadata.model_copy(update={"name": "a" * 60 + "." + "b" * 60})}
    )
    made = decision(release=long.name)
    Recorder(store).record(long, made, View(store).now())
    found = View(store).now().deployment(long.name, "v2", (7, 42))
    assert found is not None
    assert len(found) == len("deployment/") + 64
