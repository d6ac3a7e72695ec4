"""Several releases of one service do not fight: one has the traffic, the others wait for it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import error_rate, release, response, spec
from engine.evidence_rig import EvidenceRig, decision, decisions
from engine.snapshots import Store
from trimtab.engine.ledger import Effects, Ledger
from trimtab.engine.precedence import Standing
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.evidence import Command
from trimtab.schemas.release import Release

NAMES = ("checkout", "checkout.2", "checkout.3")


def of(name: str, prefix: str = "/", **more: object) -> Release:
    return release(name, route={"prefix": prefix}, **more)  # type: ignore[arg-type]  # fields of a release


def two() -> EvidenceRig:
    rig = EvidenceRig()
    rig.apply(of("checkout"))
    rig.wait(100)
    rig.apply(of("checkout.2"))
    return rig


def newest(rig: EvidenceRig, name: str) -> Decision:
    return [one for one in decisions(rig.replay()) if one.release == name][-1]


def test_a_later_release_waits_and_begins_when_the_first_is_over() -> None:
    rig = two()
    queued = newest(rig, "checkout.2")
    assert queued.rule == "applied: queued, checkout keeps the traffic until it is over"
    assert (queued.queued_behind, queued.weights) == ("checkout", {"stable": 10_000, "canary": 0})
    rig.wait(1_000)
    aborted = rig.command("abort")
    first, second = decisions(aborted)
    assert (first.release, first.phase) == ("checkout", Phase.ROLLED_BACK)
    assert (second.release, second.rule) == ("checkout.2", "begins: checkout is not in the way any more")
    assert (second.queued_behind, second.phase) == ("", Phase.PROGRESSING)
    rig.wait(1_000)
    moved = decision(rig.bring(response("canary", of="checkout.2")))
    assert (moved.release, moved.weights["canary"]) == ("checkout.2", 2_000)


def test_a_queued_release_moves_nothing_whatever_it_sees() -> None:
    rig = two()
    for _ in range(5):
        rig.wait(1_000)
        assert decisions(rig.bring(*[response("canary", of="checkout.2")] * 50)) == []


def test_evidence_of_the_time_in_the_queue_does_not_count() -> None:
    rig = two()
    rig.wait(1_000)
    rig.bring(*[response("canary", of="checkout.2", status=500)] * 50)
    rig.wait(10_000)
    rig.command("abort")
    assert [(arm.variant, arm.trials) for arm in newest(rig, "checkout.2").arms] == [("stable", 0), ("canary", 0)]


@pytest.mark.parametrize(
    ("name", "prefix"), [("checkout.2", "/search"), ("search", "/shop"), ("search.2", "/"), ("check", "/")]
)
def test_others_are_in_nobodys_way(name: str, prefix: str) -> None:
    rig = EvidenceRig()
    rig.apply(of("checkout", "/shop"))
    assert decision(rig.apply(of(name, prefix if name == "checkout.2" else "/"))).queued_behind == ""


@pytest.mark.parametrize(("first", "second"), [("/", "/shop"), ("/shop", "/"), ("/shop", "/shop/cart")])
def test_routes_overlap_where_one_prefix_begins_with_the_other(first: str, second: str) -> None:
    rig = EvidenceRig()
    rig.apply(of("checkout", first))
    assert decision(rig.apply(of("checkout.2", second))).queued_behind == "checkout"


def test_those_that_wait_begin_in_the_order_in_which_they_came() -> None:
    rig = EvidenceRig()
    for name in ("checkout.3", "checkout.2", "checkout"):
        rig.apply(of(name))
    rig.command("abort", of="checkout.3")
    assert [rig.ledger.releases[name].standing for name in NAMES] == [Standing.QUEUED, Standing.LIVE, Standing.OVER]
    rig.command("abort", of="checkout.2")
    assert rig.ledger.releases["checkout"].standing is Standing.LIVE


def test_those_that_wait_are_told_when_another_one_is_in_their_way() -> None:
    rig = EvidenceRig()
    for name in NAMES:
        rig.apply(of(name))
    told = [one for one in decisions(rig.command("abort")) if one.release == "checkout.3"]
    assert [(one.rule, one.queued_behind) for one in told] == [
        ("queued: checkout is not in the way any more, checkout.2 keeps the traffic until it is over", "checkout.2")
    ]
    assert refused(rig.command("pause", of="checkout.3")) == (
        "pause: release checkout.3: it waits for checkout.2, which has the traffic of the same service"
    )
    rig.wait(1_000)
    assert decisions(rig.command("abort", of="checkout.2"))[-1].rule == "begins: checkout.2 is not in the way any more"


def refused(effects: Effects) -> str:
    assert effects.published == []
    return effects.rejected


@pytest.mark.parametrize("action", ["pause", "resume", "promote", "freeze", "retry"])
def test_a_release_that_waits_takes_no_order_but_abort(action: str) -> None:
    rig = two()
    assert refused(rig.command(action, of="checkout.2")) == (
        f"{action}: release checkout.2: it waits for checkout, which has the traffic of the same service"
    )
    assert decision(rig.command("abort", of="checkout.2")).phase is Phase.ROLLED_BACK


def test_a_retry_that_would_make_two_live_is_refused_with_the_name_of_the_other() -> None:
    rig = two()
    rig.command("abort")
    said = refused(rig.command("retry"))
    assert said == "retry: release checkout: checkout.2 has the traffic of the same service"
    rig.command("abort", of="checkout.2")
    assert decision(rig.command("retry")).phase is Phase.PROGRESSING


def test_another_spec_of_a_release_that_is_over_waits_too() -> None:
    rig = two()
    rig.command("abort")
    again = decision(rig.apply(of("checkout", limits={"maxStep": 100})))
    assert (again.queued_behind, again.weights) == ("checkout.2", {"stable": 10_000, "canary": 0})


def test_a_live_release_may_not_take_the_route_of_another() -> None:
    rig = EvidenceRig()
    rig.apply(of("checkout", "/shop"))
    rig.apply(of("checkout.2", "/search"))
    said = refused(rig.apply(of("checkout.2", "/")))
    assert said == "release checkout.2: checkout has the traffic of / of the same service"
    assert rig.ledger.releases["checkout.2"].standing is Standing.LIVE


def test_a_ledger_with_a_queue_is_not_idle() -> None:
    rig = two()
    rig.command("abort")
    rig.command("abort", of="checkout.2")
    assert rig.ledger.is_idle
    rig.command("retry")
    rig.apply(of("checkout.3"))
    assert not rig.ledger.is_idle


def test_sidecars_are_told_when_a_release_began_and_whether_it_waits() -> None:
    rig = EvidenceRig()
    (first,) = rig.apply(of("checkout")).published
    (second,) = rig.apply(of("checkout.2")).published
    assert (first.weights.is_queued, second.weights.is_queued) == (False, True)
    assert first.weights.began == first.decision.id
    over, begun = rig.command("abort").published
    assert (over.weights.began, begun.weights.began) == (first.decision.id, begun.decision.id)
    assert not begun.weights.is_queued


CANARY: dict[str, object] = {"type": "canary", "steps": [2_000], "hold": "1s", "minResponses": 1}
SPECS = tuple(
    spec(of(name, prefix, strategy=CANARY, guardrails=[error_rate(limit)]))
    for name, prefix, limit in (
        ("checkout", "/", 0.1), ("checkout.2", "/", 0.1), ("checkout.3", "/shop", 0.1), ("checkout", "/", 0.2),
        ("checkout.2", "/cart", 0.1), ("checkout.3", "/", 0.2),
    )
)  # fmt: skip
COMMANDS = [Command(release=name, action=action) for name in NAMES
            for action in ("abort", "retry", "promote", "resume")]  # fmt: skip
STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 11), st.sampled_from([0, 200, 1_100])), max_size=40)


def rig_of(steps: list[tuple[int, int, int]]) -> EvidenceRig:
    rig = EvidenceRig()
    rig.append(SPECS[0])
    for kind, which, pause_ms in steps:
        rig.now_ms += pause_ms
        match kind:
            case 0:
                rig.append(SPECS[which % len(SPECS)])
            case 1:
                rig.append(COMMANDS[which])
            case _:
                bad = 500 if which % 3 == 0 else 200
                events = [response("canary", rig.now_ms, of=NAMES[which % 3], status=bad)] * 30
                rig.bring(*events, *[response("stable", rig.now_ms, of=NAMES[which % 3])] * 30)
    return rig


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_two_releases_of_a_service_are_never_live_on_one_route(steps: list[tuple[int, int, int]]) -> None:
    rig, ledger = rig_of(steps), Ledger()
    for offset, (at_ms, record) in enumerate(rig.log):
        ledger.advance(offset, at_ms, record)
        live = [fold for fold in ledger.releases.values() if fold.standing is Standing.LIVE]
        for one in live:
            for other in live:
                assert one is other or not (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))


@settings(max_examples=60, deadline=None)
@given(STEPS, st.data())
def test_restarts_change_nothing_whatever_of_the_snapshots_is_lost(
    steps: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """Releases of one service may be restored at different records: each knows what the others were at any of them."""
    log = rig_of(steps).log
    whole = Ledger()
    expected = [
        [one.decision for one in whole.advance(offset, at_ms, record).published]
        for offset, (at_ms, record) in enumerate(log)
    ]
    store, ledger, crash = Store(), Ledger(), data.draw(st.integers(0, len(log) - 1))
    for offset, (at_ms, record) in enumerate(log[: crash + 1]):
        ledger.advance(offset, at_ms, record)
        if offset < crash and data.draw(st.booleans()):
            store.write(ledger, 0)
    store.write(ledger, 0, only_releases=True, at_most=data.draw(st.integers(0, 3)))
    restored = store.restore()
    for offset, (at_ms, record) in enumerate(log):
        for published in restored.advance(offset, at_ms, record).published:
            assert published.decision in expected[offset]
    assert {name: fold.snapshot() for name, fold in restored.releases.items()} == {
        name: fold.snapshot() for name, fold in whole.releases.items()
    }
