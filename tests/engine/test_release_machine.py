"""The laws, for every strategy and policy, whatever happens in whatever order.

Telemetry of two sources, late, early, of unknown releases and variants; contributions that come again and folds that
crash; ticks, orders, other specs; restarts from whatever was safe; zombies that replay from long ago. Every decision is
held to `laws.py` as it is made, and counted anew from the raw events.
"""

from random import Random
from zlib import crc32

import msgspec
import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from engine.builders import spec
from engine.release_specs import STEERED, commands, releases
from engine.release_world import CELLS, World
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.evidence import Command, Reactions, Sidecars, Spec, Tick, decode

WAITS_MS = (0, 40, 100, 300, 1_000, 1_100, 2_500, 12_000, -300)
AGES_MS = (0, 0, 0, 300, 900, 1_900, 5_000, -1_500, -70_000)
UNUSABLE = (
    Spec(release="checkout", document=b"{"),
    Spec(release="search", document=b'{"kind": "Release"}'),
    Command(release="ghost", action="pause"),
)
TOLD: list[list[Divergence]] = [
    [], [], [Divergence(kind="stuck", words="sidecar s1 (envoy) stays at revision 1", sidecar="s1", proxy="envoy")]
]  # fmt: skip
PHASES = (Phase.generate,)
"""Add `Phase.shrink` to look into a failure: it takes minutes, which a test that fails in time does not have."""
cells = st.binary(min_size=CELLS, max_size=CELLS)
byte = st.integers(0, 255)


class ReleaseMachine(RuleBasedStateMachine):
    """Releases of one kind of strategy, or of any."""

    kinds: tuple[str, ...] = STEERED

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.world.append(spec(data.draw(releases(*self.kinds, name="checkout"))))

    @rule(sent=st.lists(st.tuples(cells, byte), min_size=1, max_size=6), source=st.integers(0, 1))
    def telemetry_comes(self, sent: list[tuple[bytes, int]], source: int) -> None:
        for content, wait in sent:
            self.world.now_ms += WAITS_MS[wait % len(WAITS_MS)]
            self.world.send(source, content, AGES_MS[wait // 16 % len(AGES_MS)])

    @rule(content=cells, seconds=st.integers(2, 8))
    def traffic_goes_on(self, content: bytes, seconds: int) -> None:
        """The same every half second, as it takes to bring a step to its end."""
        for _ in range(2 * seconds):
            self.world.now_ms += 500
            self.world.send(0, bytes([0]) + content[1:], 0)

    @rule(wait=byte)
    def time_passes(self, wait: int) -> None:
        self.world.now_ms += WAITS_MS[wait % len(WAITS_MS)]
        self.world.append(Tick())

    @rule(command=commands(), content=cells)
    def somebody_orders_and_traffic_goes_on(self, command: Command, content: bytes) -> None:
        self.world.append(msgspec.structs.replace(command, release="checkout"))
        self.traffic_goes_on(content, 2)

    @rule(which=st.sampled_from(TOLD), of=st.sampled_from(("checkout", "checkout", "search", "ghost")))
    def sidecars_tell(self, which: list[Divergence], of: str) -> None:
        self.world.append(Sidecars(release=of, divergences=which))

    @rule(took_ms=st.lists(st.integers(0, 1_200), max_size=6), waiting_ms=st.sampled_from((0, 0, 700, 5_000)))
    def a_worker_tells_of_reactions(self, took_ms: list[int], waiting_ms: int) -> None:
        self.world.append(Reactions(release="checkout", took_ms=took_ms, waiting_ms=waiting_ms))

    @rule(command=commands())
    def somebody_orders(self, command: Command) -> None:
        self.world.append(command)

    @rule(data=st.data(), is_of_any_kind=st.booleans())
    def a_spec_is_applied(self, data: st.DataObject, is_of_any_kind: bool) -> None:  # noqa: FBT001 - drawn
        self.world.append(spec(data.draw(releases(*(STEERED if is_of_any_kind else self.kinds)))))

    @rule(which=st.sampled_from(UNUSABLE))
    def something_unusable_comes(self, which: Spec | Command) -> None:
        self.world.append(which)
        assert self.world.made[-1].rejected

    @rule(which=byte)
    def a_record_comes_again(self, which: int) -> None:
        log = self.world.log
        self.world.append(decode(log[-1 - which % len(log)][1]))

    @rule(source=st.integers(0, 1), is_acknowledged=st.booleans())
    def a_fold_crashes(self, source: int, is_acknowledged: bool) -> None:  # noqa: FBT001 - drawn
        self.world.flush(source, is_acknowledged=is_acknowledged)
        self.world.sources[source].crash()

    @rule(safe=st.sampled_from(("all", "all", "releases", "one", "nothing")))
    def the_worker_restarts(self, safe: str) -> None:
        self.world.restart(safe)

    @precondition(lambda self: len(self.world.log) > 5)
    @rule(which=byte)
    def a_zombie_replays(self, which: int) -> None:
        self.world.replay_from_the_past(which)

    @precondition(lambda self: len(self.world.log) > 5)
    @rule(seed=st.integers(0, 1 << 20))
    def contributions_are_merged_in_another_order(self, seed: int) -> None:
        self.world.merge_shuffled(Random(seed))

    @rule()
    def all_is_counted(self) -> None:
        self.world.recount()


def run(kinds: tuple[str, ...], examples: int, steps: int) -> None:
    of_kinds = seed(crc32(repr(kinds).encode()))(type("ReleaseMachine", (ReleaseMachine,), {"kinds": kinds}))
    run_state_machine_as_test(
        of_kinds, settings=settings(max_examples=examples, stateful_step_count=steps, phases=PHASES)
    )


@pytest.mark.parametrize("kind", STEERED)
def test_the_laws_hold_whatever_happens(kind: str) -> None:
    run((kind,), examples=6, steps=30)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("kind", STEERED)
def test_the_laws_hold_for_long(kind: str) -> None:
    run((kind,), examples=60, steps=60)
