"""Who is asked for a request, by which weights their answers count, and what telemetry of each has to name."""

import pytest
from msgspec.structs import replace

from schemas.records import ENSEMBLE
from trimtab.client import Answer, Ensemble, RoutingKey, Unreachable, WeightsRecord
from trimtab.schemas.fallback import on_baseline

LIVE = replace(ENSEMBLE, baseline="v1", weights={"v1": 10_000, "v2": 0})
SEVEN, ONE = Answer(label="7"), Answer(label="1")


class Known:
    def __init__(self, held: WeightsRecord | None) -> None:
        self.held = held

    def get(self, release: str) -> WeightsRecord | None:
        return self.held if release == "checkout" else None


def ensemble(held: WeightsRecord | None, default: str = "") -> Ensemble:
    return Ensemble(Known(held), "checkout", default=default)


def test_all_members_are_asked_those_without_weight_too() -> None:
    panel = ensemble(LIVE).panel()
    assert panel.targets == {"v1": "checkout-v1", "v2": "checkout-v2"}
    assert panel.keys["v2"] == RoutingKey("checkout", "v2", "", LIVE.era, LIVE.revision)
    assert panel.combine({"v1": SEVEN, "v2": ONE}).answer.label == "7"


def test_a_member_that_is_out_is_not_asked() -> None:
    assert LIVE.ensemble is not None
    out = replace(LIVE, ensemble=replace(LIVE.ensemble, members=["v1"]))
    assert list(ensemble(out).panel().targets) == ["v1"]


def test_answers_are_combined_as_the_release_file_says_by_the_weights_of_one_revision() -> None:
    following = Known(replace(LIVE, weights={"v1": 4_000, "v2": 6_000}))
    panel = Ensemble(following, "checkout").panel()
    following.held = replace(LIVE, revision=99, weights={"v1": 10_000, "v2": 0})
    combined = panel.combine({"v1": SEVEN, "v2": ONE})
    assert (combined.answer.label, combined.answer.probabilities) == ("1", {"7": 0.4, "1": 0.6})
    assert (combined.weights, combined.silent) == ({"v1": 4_000, "v2": 6_000}, ())
    assert panel.keys["v1"].revision == LIVE.revision


def test_who_did_not_answer_is_left_out_and_told() -> None:
    combined = ensemble(LIVE).panel().combine({"v2": ONE})
    assert (combined.answer.label, combined.weights, combined.silent) == ("1", {"v2": 0}, ("v1",))


def test_a_segment_has_its_own_weights() -> None:
    mobile = replace(LIVE, segments={"mobile": {"v1": 0, "v2": 10_000}})
    panel = ensemble(mobile).panel("mobile")
    assert panel.combine({"v1": SEVEN, "v2": ONE}).answer.label == "1"
    assert panel.keys["v2"].segment == "mobile"


@pytest.mark.parametrize(
    "held", [on_baseline(replace(LIVE, weights={"v1": 0, "v2": 10_000})), replace(LIVE, ensemble=None)],
    ids=["stale", "over"],
)  # fmt: skip
def test_without_an_ensemble_in_force_only_those_with_weight_are_asked(held: WeightsRecord) -> None:
    panel = ensemble(held).panel()
    assert panel.targets == {"v1": "checkout-v1"}
    assert panel.combine({"v1": SEVEN}).answer.label == "7"
    assert (panel.keys["v1"].era, panel.keys["v1"].revision) == held.routed_by


def test_before_any_weights_the_default_answers() -> None:
    panel = ensemble(None, default="v2").panel()
    assert panel.combine({"v2": Answer(value=3.0)}).answer.value == 3.0
    assert panel.keys["v2"] == RoutingKey("checkout", "v2", "", 0, 0)
    with pytest.raises(Unreachable, match="release checkout: no weights yet, and no default variant"):
        ensemble(None).panel()


def test_nobody_and_strangers_come_to_no_answer() -> None:
    panel = ensemble(LIVE).panel()
    with pytest.raises(Unreachable, match="no member of v1, v2 answered"):
        panel.combine({})
    with pytest.raises(ValueError, match="v3: expected answers of v1, v2 alone"):
        panel.combine({"v3": SEVEN})
