"""Observed against published: what requests and sidecars show, and that weights are held while they do."""

import msgspec
import pytest

from engine.builders import NOW_MS, NOW_S, error_rate, release, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from trimtab.engine.observed import DRIFT_N, DRIFT_S, STALE_N, STALE_S, Observed
from trimtab.engine.propensity import InForce
from trimtab.engine.routed import RoutedSeconds
from trimtab.engine.sequential.look import Routed
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.divergence import GRACE_S, Divergence, Kind
from trimtab.schemas.evidence import Sidecars
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event, Request

REFUSED = Divergence(kind="refused", words="sidecar s1 (envoy) refuses revision 9: no cluster v2", sidecar="s1")


def observed(*looks: Routed) -> Observed:
    made = Observed(["stable", "canary"])
    for look in looks:
        made.take(look)
    return made


def kinds(made: Observed, second: int) -> list[Kind]:
    return [one.kind for one in made.divergences(second)]


def in_force(*weights: tuple[int, int]) -> InForce:
    """Weights that changed a minute from each other, from revision (5, 10) on."""
    made = InForce()
    for number, of in enumerate(weights, 1):
        made.decide(NOW_MS + 60_000 * number, (5, 10 * number), of)
    return made


def test_requests_by_weights_of_long_ago_are_stale() -> None:
    fresh, stale = Routed((9_000, 1_000), [81, 9], 100), Routed((9_500, 500), [9, 1], 100, is_stale=True)
    (seen,) = observed(fresh, stale).divergences(100)
    assert seen == Divergence(
        kind="stale", words="10 of 100 requests in 10 s were routed by weights that had been replaced 5 s before"
    )


@pytest.mark.parametrize(("n", "stale", "shown"), [(STALE_N, 5, True), (STALE_N - 1, 40, False), (200, 19, False)])
def test_a_tenth_of_enough_requests_has_to_be_stale(n: int, stale: int, shown: bool) -> None:  # noqa: FBT001 - a case
    made = observed(Routed((), [stale, 0], 100, is_stale=True), Routed((5_000, 5_000), [n - stale, 0], 100))
    assert kinds(made, 100) == ["stale"] * shown


def test_what_is_stale_is_forgotten_after_its_window() -> None:
    made = observed(Routed((), [100, 0], 100, is_stale=True))
    assert kinds(made, 100 + STALE_S - 1) == ["stale"]
    assert kinds(made, 100 + STALE_S) == []


@pytest.mark.parametrize(("canary", "shown"), [(155, []), (156, []), (160, ["drift"]), (40, ["drift"]), (60, [])])
def test_shares_drift_beyond_two_points_and_chance(canary: int, shown: list[str]) -> None:
    made = observed(Routed((9_000, 1_000), [DRIFT_N - canary, canary], 100))
    assert kinds(made, 100) == shown


def test_too_few_requests_and_those_without_weights_drift_nowhere() -> None:
    assert kinds(observed(Routed((9_000, 1_000), [0, DRIFT_N - 1], 100)), 100) == []
    assert kinds(observed(Routed((), [0, 5 * DRIFT_N], 100)), 100) == []


def test_a_drift_is_told_with_its_numbers_and_ends_with_its_window() -> None:
    made = observed(Routed((9_000, 1_000), [600, 400], 100), Routed((8_000, 2_000), [800, 200], 130))
    (seen,) = made.divergences(130)
    assert seen.words == "canary got 30.0% of 2000 requests in 60 s, its weights say 15.0%"
    assert kinds(made, 100 + DRIFT_S - 1) == ["drift"]
    assert kinds(made, 100 + DRIFT_S) == []


def test_what_was_seen_continues_from_a_snapshot() -> None:
    made = observed(Routed((9_000, 1_000), [600, 400], 100), Routed((), [200, 0], 101, is_stale=True))
    again = Observed(["stable", "canary"])
    again.restore(made.snapshot())
    assert again.divergences(101) == made.divergences(101)
    assert again.snapshot() == made.snapshot()
    again.restore({})
    assert again.snapshot() == made.snapshot()


@pytest.mark.parametrize(
    ("revision", "by_s", "replaced"),
    [
        ((5, 10), 119, False), ((5, 10), 120, True), ((5, 25), 179, False), ((5, 25), 180, True),
        ((5, 30), 600, False), ((5, 99), 600, False), ((5, 9), 59, False), ((5, 9), 60, True), ((4, 999), 600, False),
    ],
)  # fmt: skip
def test_weights_are_replaced_once_others_are_in_force(
    revision: tuple[int, int],
    by_s: int,
    replaced: bool,  # noqa: FBT001 - a case
) -> None:
    changes = in_force((9_000, 1_000), (8_000, 2_000), (7_000, 3_000))
    assert changes.is_replaced(revision, "", NOW_MS + 1_000 * by_s) is replaced


def test_weights_that_are_in_force_again_are_not_replaced() -> None:
    changes = in_force((9_000, 1_000), (8_000, 2_000), (9_000, 1_000))
    assert not changes.is_replaced((5, 10), "", NOW_MS + 600_000)
    assert not InForce().is_replaced((5, 10), "", NOW_MS)


def test_requests_of_a_revision_that_is_too_old_to_be_known_are_stale_and_have_no_weights() -> None:
    changes, seconds = in_force((9_000, 1_000)), RoutedSeconds(arms=2, since_s=0)
    at = NOW_S + 60 + GRACE_S
    seconds._seconds[at] = {((5, 3), ""): [7, 0], ((5, 99), ""): [1, 0], ((5, 10), ""): [0, 2]}
    assert list(seconds.close(at + 1, changes)) == [
        Routed((), [7, 0], at, is_stale=True), Routed((9_000, 1_000), [0, 2], at)
    ]  # fmt: skip
    assert seconds.missed == 8


def canary() -> Release:
    steps = {"type": "canary", "steps": [1_000, 5_000], "hold": "12s"}
    return release(strategy=steps, guardrails=[error_rate(0.2)], limits={"maxStep": 10_000})


class Traffic:
    """A release under steady traffic that its proxies route by one revision after the other."""

    def __init__(self, applied: Release) -> None:
        self.rig = EvidenceRig()
        self.newest = decision(self.rig.apply(applied))

    def run(self, seconds: int, *, by: Decision | None = None, errors: int = 0, n: int = 100) -> list[Decision]:
        """Lets seconds pass; `by`: the weights that all requests are routed by, else always the newest."""
        made: list[Decision] = []
        for _ in range(seconds):
            events = list(self._events(by or self.newest, errors, n))
            for one in decisions([self.rig.bring(*events), self.rig.wait(1_000)]):
                self.newest = one
                made.append(one)
        return made

    def _events(self, by: Decision, errors: int, n: int) -> list[Event]:
        events: list[Event] = []
        for variant, weight in by.weights.items():
            for number in range(weight * n // 10_000):
                at_ms = self.rig.now_ms
                events.append(
                    Request(release="checkout", variant=variant, time_ms=at_ms, era=by.era, revision=by.revision)
                )
                is_error = variant == "canary" and number < errors
                events.append(response(variant, at_ms, status=500 if is_error else 200))
        return events

    def tell(self, *divergences: Divergence) -> list[Decision]:
        made = decisions(self.rig.append(Sidecars(release="checkout", divergences=list(divergences))))
        self.newest = made[-1] if made else self.newest
        return made


def test_a_canary_rests_while_its_requests_are_routed_by_weights_of_before() -> None:
    traffic = Traffic(canary())
    first = traffic.run(4)[-1]
    assert first.weights == {"stable": 9_000, "canary": 1_000}
    stuck = traffic.newest
    held = traffic.run(30, by=stuck)
    moved = next(one for one in held if one.weights["canary"] == 5_000)
    later = [one for one in held if one.time_ms > moved.time_ms + 1_000 * (GRACE_S + 5)]
    assert {one.weights["canary"] for one in later} == {5_000}
    assert "observed: weights are held, " in later[-1].rule
    assert {one.kind for one in later[-1].divergences} == {"stale"}
    assert later[-1].phase is Phase.PROGRESSING
    on = traffic.run(30)
    assert on[-1].phase is Phase.PROMOTED
    assert not any(one.divergences for one in on[STALE_S + 5 :])


def test_a_shadow_release_goes_on_however_many_copies_its_candidates_answer() -> None:
    traffic = Traffic(release(strategy={"type": "shadow"}, guardrails=[error_rate(0.2)]))
    copies = msgspec.structs.replace(traffic.newest, weights={"stable": 5_000, "canary": 5_000})
    for made in traffic.run(20, by=copies, n=400):
        assert made.divergences == []
        assert not made.rule.startswith("observed: ")
        copies = msgspec.structs.replace(copies, revision=made.revision)


def test_what_a_sidecar_tells_holds_weights_until_it_is_taken_back() -> None:
    traffic = Traffic(canary())
    traffic.run(4)
    (told,) = traffic.tell(REFUSED)
    assert told.rule == f"observed: {REFUSED.words}"
    assert told.divergences == [REFUSED]
    held = traffic.run(20)
    assert {one.weights["canary"] for one in held} == {1_000}
    assert held[-1].rule == f"observed: weights are held, {REFUSED.words}"
    assert traffic.tell(REFUSED) == [], "nothing new"
    (back,) = traffic.tell()
    assert (back.rule, back.divergences) == ("observed: every sidecar follows again", [])
    assert traffic.run(40)[-1].phase is Phase.PROMOTED


def test_guardrails_act_whatever_sidecars_tell() -> None:
    traffic = Traffic(canary())
    traffic.run(4)
    traffic.tell(REFUSED)
    assert traffic.run(20, errors=9)[-1].phase is Phase.ROLLED_BACK
    assert traffic.tell() == [], "a release that is over has nothing to hold"


def test_a_release_that_begins_anew_still_knows_what_sidecars_told() -> None:
    traffic = Traffic(canary())
    traffic.run(4)
    traffic.tell(REFUSED)
    again = decision(traffic.rig.apply(release(guardrails=[error_rate(0.3)])))
    assert again.divergences == [REFUSED]


def test_what_is_told_of_a_release_that_is_not_there_is_rejected() -> None:
    rig = EvidenceRig()
    assert rig.append(Sidecars(release="ghost", divergences=[])).rejected == "sidecars: no release 'ghost'"


def test_what_is_told_is_taken_once() -> None:
    traffic = Traffic(canary())
    traffic.tell(REFUSED)
    fold, offset = traffic.rig.ledger.releases["checkout"], len(traffic.rig.log) - 1
    again = traffic.rig.ledger.advance(offset, traffic.rig.now_ms, Sidecars(release="checkout", divergences=[]))
    assert (again.published, fold.divergences) == ([], [REFUSED])
    assert (fold.newest, fold.weights) == (traffic.newest.id, traffic.newest.weights)


def test_replay_holds_where_the_workers_did() -> None:
    traffic = Traffic(canary())
    traffic.run(4)
    traffic.tell(REFUSED)
    traffic.run(5)
    live = traffic.rig.ledger.releases["checkout"].snapshot()
    again = EvidenceRig()
    for at_ms, record in traffic.rig.log:
        again.now_ms = at_ms
        again.append(record)
    assert again.ledger.releases["checkout"].snapshot() == live
