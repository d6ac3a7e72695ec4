"""What an Envoy is offered, against a model of an Envoy that refuses some revisions."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.weights import ERA, fallen_back, weights
from trimtab.schemas.decision import WeightsRecord
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.envoy.ledger import Ledger, Offer, Refusal

RELEASES = ("a", "b", "c")


class Envoy:
    """An Envoy that refuses every table with one of the revisions `bad`, and the sidecar that offers them."""

    def __init__(self, releases: tuple[str, ...] = RELEASES) -> None:
        self.releases = releases
        self.bad: set[tuple[str, int]] = set()
        self.fallback_is_bad: dict[tuple[str, int], bool] = {}
        self.newest: dict[str, WeightsRecord] = {}
        self.accepted: dict[str, WeightsRecord] = {}
        self.table: Offer | None = None
        self.offers: list[Offer] = []
        self.connect()

    def connect(self) -> None:
        self.ledger = Ledger(self.releases, in_force=dict(self.in_force))

    def restart(self) -> None:
        self.table = None
        self.connect()

    @property
    def in_force(self) -> dict[str, Edition]:
        return {name: Edition.of(record) for name, record in self.table.records.items()} if self.table else {}

    def publish(self, release: str, revision: int, *, is_bad: bool = False) -> None:
        self.newest[release] = weights(release, revision, prefix=f"/{release}")
        if is_bad:
            self.bad.add((release, revision))

    def age(self, release: str, *, is_bad: bool = False) -> None:
        """Has the newest weights make way for the baseline, or come back from there."""
        record = self.newest[release]
        made = weights if record.fallback else fallen_back
        self.newest[release] = made(release, record.revision, prefix=f"/{release}")
        self.fallback_is_bad.setdefault((release, record.revision), is_bad)

    def is_bad(self, record: WeightsRecord) -> bool:
        key = (record.release, record.revision)
        return self.fallback_is_bad[key] if record.fallback else key in self.bad

    def settle(self) -> None:
        """Answers offers until there are none."""
        while (offer := self.ledger.offer(self.newest, self.accepted)) is not None:
            self.answer(offer)
            assert len(self.offers) < 1_000, "there is no end of offers"

    def answer(self, offer: Offer) -> None:
        self.offers.append(offer)
        if any(map(self.is_bad, offer.records.values())):
            self.ledger.refuse("bad")
            return
        self._check_not_back(offer)
        self.table = offer
        self.ledger.accept()
        for name, record in offer.records.items():
            if record.replaces(self.accepted.get(name)):
                self.accepted[name] = record

    def _check_not_back(self, offer: Offer) -> None:
        for name, edition in self.in_force.items():
            assert offer.records[name].id >= edition.revision, f"{name} went back, or away"


def envoy(**revisions: int) -> Envoy:
    model = Envoy(tuple(revisions))
    for release, revision in revisions.items():
        model.publish(release, revision)
    return model


def in_force(model: Envoy) -> dict[str, int]:
    return {name: edition.revision[1] for name, edition in model.in_force.items()}


def fallbacks(model: Envoy) -> dict[str, str]:
    return {name: edition.fallback for name, edition in model.in_force.items()}


def tried(offers: Iterable[Offer]) -> list[str]:
    return ["".join(offer.tried) for offer in offers]


def test_nothing_is_offered_before_every_release_has_weights() -> None:
    model = Envoy(("a", "b"))
    model.publish("a", 1)
    model.settle()
    assert model.offers == []
    model.publish("b", 1)
    model.settle()
    assert in_force(model) == {"a": 1, "b": 1}


def test_there_is_no_second_offer_before_the_answer_to_the_first() -> None:
    model = envoy(a=1)
    assert model.ledger.offer(model.newest, {}) is not None
    model.publish("a", 2)
    assert model.ledger.offer(model.newest, {}) is None


def test_weights_that_changed_while_an_answer_was_awaited_come_next() -> None:
    model = envoy(a=1)
    first = model.ledger.offer(model.newest, {})
    assert first is not None
    model.publish("a", 2)
    model.publish("a", 3)
    model.answer(first)
    model.settle()
    assert [offer.records["a"].revision for offer in model.offers] == [1, 3]


def test_an_answer_to_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing was offered"):
        Ledger(("a",)).accept()


def test_what_was_refused_is_not_offered_again() -> None:
    model = envoy(a=1)
    model.settle()
    model.publish("a", 2, is_bad=True)
    model.settle()
    model.settle()
    assert [offer.records["a"].revision for offer in model.offers] == [1, 2]
    assert model.ledger.refused == {"a": Refusal((ERA, 2), "bad")}


def test_the_next_newer_revision_is_offered_and_ends_the_refusal() -> None:
    model = envoy(a=1)
    model.publish("a", 2, is_bad=True)
    model.settle()
    model.publish("a", 3)
    model.settle()
    assert in_force(model) == {"a": 3}
    assert model.ledger.refused == {}


def test_a_refusal_stands_no_longer_once_a_newer_revision_is_on_offer() -> None:
    model = envoy(a=1)
    model.bad.add(("a", 1))
    model.settle()
    assert model.ledger.standing_refusal("a") == Refusal((ERA, 1), "bad")
    model.publish("a", 2)
    model.ledger.offer(model.newest, {})
    assert model.ledger.standing_refusal("a") is None


def test_bad_weights_of_one_release_do_not_hold_up_another() -> None:
    model = envoy(a=1, b=1)
    model.settle()
    model.publish("a", 2, is_bad=True)
    model.publish("b", 2)
    model.settle()
    assert in_force(model) == {"a": 1, "b": 2}
    model.publish("b", 3)
    model.settle()
    assert in_force(model) == {"a": 1, "b": 3}


def test_several_refused_together_are_offered_one_by_one() -> None:
    model = envoy(a=1, b=1, c=1)
    model.bad.add(("b", 1))
    model.settle()
    assert tried(model.offers) == ["abc", "a", "b", "c"]


def test_a_release_without_weights_that_hold_is_closed_rather_than_left_to_another_prefix() -> None:
    model = envoy(a=1, b=1)
    model.bad.add(("a", 1))
    model.settle()
    assert model.table is not None
    assert in_force(model) == {"b": 1}
    assert set(model.table.closed) == {"a"}


def test_after_a_restart_of_envoy_the_weights_it_had_accepted_stand_in_for_refused_ones() -> None:
    model = envoy(a=1, b=1)
    model.settle()
    model.publish("a", 2, is_bad=True)
    model.settle()
    model.restart()
    model.settle()
    assert in_force(model) == {"a": 1, "b": 1}


def test_one_bad_release_alone_leaves_a_fresh_envoy_without_routes() -> None:
    model = envoy(a=1)
    model.bad.add(("a", 1))
    model.settle()
    assert model.table is None


def test_the_first_offer_is_made_even_if_envoy_has_it_all() -> None:
    model = envoy(a=1)
    model.settle()
    model.connect()
    model.settle()
    assert len(model.offers) == 2


def test_a_release_that_the_sidecar_no_longer_has_goes_with_the_first_offer() -> None:
    ledger = Ledger(("a",), in_force={"a": Edition((ERA, 1)), "gone": Edition((ERA, 7))})
    assert ledger.offer({"a": weights("a", 1)}, {}) is not None
    ledger.accept()
    assert ledger.in_force == {"a": Edition((ERA, 1))}


def test_older_weights_than_envoy_has_are_never_offered() -> None:
    ledger = Ledger(("a",), in_force={"a": Edition((ERA, 5))})
    assert ledger.offer({"a": weights("a", 4)}, {"a": weights("a", 3)}) is None
    assert ledger.offer({"a": weights("a", 6)}, {}) is not None


def test_a_new_life_of_the_sidecar_never_closes_what_envoy_has_in_force() -> None:
    model = envoy(a=1, b=1)
    model.settle()
    model.accepted.clear()
    model.connect()
    model.publish("a", 2, is_bad=True)
    model.publish("b", 2)
    model.settle()
    assert in_force(model) == {"a": 1, "b": 1}
    model.publish("a", 3)
    model.settle()
    assert in_force(model) == {"a": 3, "b": 2}


def test_a_fallback_takes_the_place_of_its_revision_and_makes_way_for_it_again() -> None:
    model = envoy(a=1, b=1)
    model.settle()
    model.age("a")
    model.settle()
    assert (in_force(model), fallbacks(model)) == ({"a": 1, "b": 1}, {"a": "baseline", "b": ""})
    model.age("a")
    model.settle()
    assert (in_force(model), fallbacks(model)) == ({"a": 1, "b": 1}, {"a": "", "b": ""})
    assert tried(model.offers) == ["ab", "a", "a"]


def test_a_fallback_of_older_weights_than_envoy_has_is_never_offered() -> None:
    ledger = Ledger(("a",), in_force={"a": Edition((ERA, 5))})
    assert ledger.offer({"a": fallen_back("a", 4)}, {}) is None


def test_the_fallback_of_a_refused_revision_is_offered_and_neither_comes_again() -> None:
    model = envoy(a=1)
    model.settle()
    model.publish("a", 2, is_bad=True)
    model.settle()
    model.age("a", is_bad=True)
    model.settle()
    for _ in range(4):
        model.age("a")
        model.settle()
    assert [offer.records["a"].revision for offer in model.offers] == [1, 2, 2]
    assert in_force(model) == {"a": 1}
    assert model.ledger.refused == {"a": Refusal((ERA, 2), "bad", frozenset({"", "baseline"}))}


def test_a_revision_that_was_refused_stays_refused_while_its_fallback_is_in_force() -> None:
    model = envoy(a=1)
    model.settle()
    model.publish("a", 2, is_bad=True)
    model.settle()
    model.age("a")
    model.settle()
    assert (in_force(model), fallbacks(model)) == ({"a": 2}, {"a": "baseline"})
    assert model.ledger.standing_refusal("a") == Refusal((ERA, 2), "bad")
    model.age("a")
    model.settle()
    assert (len(model.offers), fallbacks(model)) == (3, {"a": "baseline"})


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(RELEASES), st.booleans()),
        st.tuples(st.just("age"), st.sampled_from(RELEASES), st.booleans()),
        st.tuples(st.just("settle")),
        st.tuples(st.just("reconnect")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("new life")),
    ),
    max_size=30,
)


def play(model: Envoy, script: list[tuple[object, ...]]) -> None:
    for number, step in enumerate(script, start=2):
        match step:
            case ("publish", str(release), bool(is_bad)):
                model.publish(release, number, is_bad=is_bad)
            case ("age", str(release), bool(is_bad)):
                model.age(release, is_bad=is_bad)
            case ("settle",):
                model.settle()
            case ("reconnect",):
                model.connect()
            case ("restart",):
                model.restart()
            case ("new life",):
                model.accepted.clear()
                model.connect()


@given(steps)
def test_whatever_happens_no_release_goes_back_and_offers_come_to_an_end(script: list[tuple[object, ...]]) -> None:
    model = envoy(a=1, b=1, c=1)
    play(model, script)
    model.settle()


@given(steps)
def test_good_weights_are_in_force_in_the_end(script: list[tuple[object, ...]]) -> None:
    model = envoy(a=1, b=1, c=1)
    play(model, script)
    for release in RELEASES:
        model.publish(release, 1_000)
    model.settle()
    assert in_force(model) == dict.fromkeys(RELEASES, 1_000)


@given(steps.map(lambda script: [step for step in script if step[0] != "new life"]))
def test_in_one_life_of_the_sidecar_every_good_release_is_up_to_date(script: list[tuple[object, ...]]) -> None:
    model = envoy(a=1, b=1, c=1)
    play(model, script)
    model.settle()
    good = {name: Edition.of(record) for name, record in model.newest.items() if not model.is_bad(record)}
    assert {name: model.in_force.get(name) for name in good} == good
