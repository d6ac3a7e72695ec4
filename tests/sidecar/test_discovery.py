"""The conversation with an Envoy, message by message."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from structlog.testing import capture_logs

from sidecar.weights import ERA, fallen_back, weights
from trimtab.sidecar.envoy.discovery import TYPE_URL, Discovery, Standing

_TURNS = 20


class Stream:
    """The far end of one stream: says what an Envoy would say."""

    def __init__(self, discovery: Discovery) -> None:
        self._said: asyncio.Queue[DiscoveryRequest | None] = asyncio.Queue()
        self._heard: asyncio.Queue[DiscoveryResponse] = asyncio.Queue()
        self.task = asyncio.create_task(discovery.converse(self._requests(), self))

    async def _requests(self) -> AsyncIterator[DiscoveryRequest]:
        while (request := await self._said.get()) is not None:
            yield request

    async def write(self, message: DiscoveryResponse) -> None:
        self._heard.put_nowait(message)

    def ask(self, version: str = "", *names: str) -> None:
        self._said.put_nowait(DiscoveryRequest(version_info=version, resource_names=names or ["trimtab"]))

    async def hear(self) -> DiscoveryResponse:
        return await asyncio.wait_for(self._heard.get(), 60)

    def answer(self, nonce: str, error: str = "") -> None:
        request = DiscoveryRequest(resource_names=["trimtab"], response_nonce=nonce)
        if error:
            request.error_detail.message = error
        self._said.put_nowait(request)

    async def take(self) -> DiscoveryResponse:
        """Hears an offer and accepts it."""
        response = await self.hear()
        self.answer(response.nonce)
        await self.all_is_said()
        return response

    async def all_is_said(self) -> None:
        """Lets the server read all that was said, and act on it: turns of the loop, for there is no IO here."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    @property
    def is_silent(self) -> bool:
        return self._heard.empty()

    async def hang_up(self) -> None:
        self._said.put_nowait(None)
        await asyncio.wait_for(self.task, 60)


def converse(scene: Callable[[Discovery], Awaitable[None]], *releases: str) -> None:
    async def play() -> None:
        await scene(Discovery(releases or ("checkout",)))

    asyncio.run(play())


def test_an_envoy_gets_the_table_that_it_asks_for() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=7))
        stream = Stream(discovery)
        stream.ask()
        response = await stream.hear()
        table = RouteConfiguration()
        assert response.resources[0].Unpack(table)
        assert (response.type_url, response.version_info) == (TYPE_URL, f"checkout@{ERA}.7")
        assert (table.name, table.virtual_hosts[0].routes[0].name) == ("trimtab", "checkout")
        await stream.hang_up()

    converse(scene)


def test_an_envoy_waits_until_every_release_has_weights() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights("a"))
        stream = Stream(discovery)
        stream.ask()
        await stream.all_is_said()
        assert stream.is_silent
        discovery.update(weights("b"))
        assert (await stream.hear()).version_info == f"a@{ERA}.1,b@{ERA}.1"
        await stream.hang_up()

    converse(scene, "a", "b")


def test_an_envoy_that_asks_for_another_table_is_left_unanswered() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights())
        stream = Stream(discovery)
        stream.ask("", "another")
        await stream.all_is_said()
        assert stream.is_silent
        stream.ask("", "another", "trimtab")
        await stream.take()
        await stream.hang_up()

    converse(scene)


def test_weights_count_as_in_force_once_they_are_acknowledged() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=7))
        stream = Stream(discovery)
        stream.ask()
        response = await stream.hear()
        assert discovery.standing("checkout") == Standing(offered=(ERA, 7))
        stream.answer(response.nonce)
        await stream.all_is_said()
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 7), offered=(ERA, 7))
        await stream.hang_up()

    converse(scene)


def test_an_answer_to_an_older_offer_is_not_taken_for_one_to_the_newest() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=1))
        stream = Stream(discovery)
        stream.ask()
        first = await stream.take()
        discovery.update(weights(revision=2))
        second = await stream.hear()
        stream.answer(first.nonce)
        stream.answer("nonsense")
        await stream.all_is_said()
        assert discovery.standing("checkout").in_force == (ERA, 1)
        stream.answer(second.nonce)
        await stream.all_is_said()
        assert discovery.standing("checkout").in_force == (ERA, 2)
        await stream.hang_up()

    converse(scene)


def test_a_second_request_after_the_answer_changes_nothing() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=1))
        stream = Stream(discovery)
        stream.ask()
        response = await stream.take()
        stream.answer(response.nonce, "too late to refuse")
        await stream.all_is_said()
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 1), offered=(ERA, 1))
        assert stream.is_silent
        await stream.hang_up()

    converse(scene)


def test_a_refusal_is_kept_in_envoys_own_words_until_something_newer_is_offered() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=1))
        stream = Stream(discovery)
        stream.ask()
        await stream.take()
        discovery.update(weights(revision=2))
        stream.answer((await stream.hear()).nonce, "route: unknown weighted cluster 'nosuch'")
        await stream.all_is_said()
        assert stream.is_silent
        assert discovery.standing("checkout") == Standing(
            in_force=(ERA, 1), offered=(ERA, 2), refused="route: unknown weighted cluster 'nosuch'", refusals=1
        )
        discovery.update(weights(revision=3))
        await stream.take()
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 3), offered=(ERA, 3), refusals=1)
        await stream.hang_up()

    converse(scene)


def test_older_weights_and_the_same_ones_again_change_nothing() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=2))
        stream = Stream(discovery)
        stream.ask()
        await stream.take()
        discovery.update(weights(revision=1))
        discovery.update(weights(revision=2))
        await stream.all_is_said()
        assert stream.is_silent
        await stream.hang_up()

    converse(scene)


def test_an_envoy_is_offered_the_fallback_of_weights_and_then_these_again() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=7))
        stream = Stream(discovery)
        stream.ask()
        await stream.take()
        discovery.update(fallen_back(revision=7))
        assert (await stream.take()).version_info == f"checkout@{ERA}.7+baseline"
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 7), offered=(ERA, 7), fallback="baseline")
        discovery.update(fallen_back(revision=7))
        await stream.all_is_said()
        assert stream.is_silent
        discovery.update(weights(revision=7))
        assert (await stream.take()).version_info == f"checkout@{ERA}.7"
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 7), offered=(ERA, 7))
        await stream.hang_up()

    converse(scene)


def test_an_envoy_with_a_fallback_in_force_is_known_to_whoever_serves_it_next() -> None:
    async def scene(discovery: Discovery) -> None:
        stream = Stream(discovery)
        stream.ask(f"checkout@{ERA}.5+baseline")
        await stream.all_is_said()
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 5), fallback="baseline")
        discovery.update(weights(revision=4))
        await stream.all_is_said()
        assert stream.is_silent
        discovery.update(weights(revision=5))
        assert (await stream.take()).version_info == f"checkout@{ERA}.5"
        await stream.hang_up()

    converse(scene)


def test_of_two_envoys_the_one_that_lags_behind_counts() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=1))
        quick, slow = Stream(discovery), Stream(discovery)
        quick.ask()
        slow.ask()
        await quick.take()
        await slow.take()
        discovery.update(weights(revision=2))
        await quick.take()
        held_back = await slow.hear()
        assert discovery.standing("checkout") == Standing(in_force=(ERA, 1), offered=(ERA, 2))
        slow.answer(held_back.nonce)
        await slow.all_is_said()
        assert discovery.standing("checkout").in_force == (ERA, 2)
        await quick.hang_up()
        await slow.hang_up()

    converse(scene)


def test_an_envoy_that_comes_back_says_what_it_has_in_force() -> None:
    async def scene(discovery: Discovery) -> None:
        stream = Stream(discovery)
        stream.ask(f"checkout@{ERA}.5")
        await stream.all_is_said()
        assert discovery.standing("checkout").in_force == (ERA, 5)
        discovery.update(weights(revision=4))
        await stream.all_is_said()
        assert stream.is_silent
        await stream.hang_up()

    converse(scene)


def test_nothing_is_in_force_while_no_envoy_is_there() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=1))
        stream = Stream(discovery)
        stream.ask()
        await stream.take()
        await stream.hang_up()
        assert discovery.standing("checkout") == Standing()

    converse(scene)


def test_a_conversation_that_is_cut_off_is_forgotten() -> None:
    async def scene(discovery: Discovery) -> None:
        discovery.update(weights(revision=1))
        stream = Stream(discovery)
        stream.ask()
        await stream.take()
        stream.task.cancel()
        await asyncio.wait({stream.task})
        assert stream.task.cancelled()
        assert discovery.standing("checkout") == Standing()

    converse(scene)


def test_two_releases_on_one_prefix_are_warned_of_once() -> None:
    async def scene(discovery: Discovery) -> None:
        with capture_logs() as lines:
            discovery.update(weights("b", 1))
            assert lines == []
            discovery.update(weights("a", 1))
            discovery.update(weights("a", 2))
        (line,) = lines
        assert (line["event"], line["routed_by"], line["without_traffic"]) == ("prefix_shared", "a", ["b"])

    converse(scene, "a", "b")
