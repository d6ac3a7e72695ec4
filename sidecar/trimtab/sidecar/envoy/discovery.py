"""Discovery: each Envoy on the socket is offered every change of the routes and says whether it took it.

The protocol is state-of-the-world RDS: a response carries the whole table, a version and a nonce; a request that names
the nonce is its answer, a refusal where it has `error_detail`. What is offered when is decided in `ledger.py`.

An Envoy is answered only once every release that the sidecar was asked for has weights, be they from Redis or from
the cache. Until then it waits, its listener shut, as long as its `initial_fetch_timeout` says (`bootstrap.py`); after
that, or after refusing its first table, it answers 404. A sidecar that made routes up instead would send traffic where
nobody decided that it goes.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.envoy.base_routes import BaseRoutes
from trimtab.sidecar.envoy.bootstrap import ROUTE_CONFIG
from trimtab.sidecar.envoy.ledger import Ledger, Offer
from trimtab.sidecar.envoy.routes import editions, route_configuration, version

TYPE_URL: Final = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

_log = structlog.get_logger()


class Outlet(Protocol):
    """Where responses are written: the server's side of a gRPC stream."""

    async def write(self, message: DiscoveryResponse) -> None:
        """Sends one response."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a release has come at the Envoys that are connected."""

    in_force: Revision = NO_REVISION
    """the oldest among them; none while no Envoy is connected"""
    offered: Revision = NO_REVISION
    refused: str = ""
    """Envoy's own words about the newest revision offered, while it stands refused"""
    refusals: int = 0
    fallback: str = ""
    """`baseline` where one of them sends everything there, for the weights are past their age"""


@dataclass(slots=True)
class _Conversation:
    """One stream: the Envoy at its other end, and what was said last."""

    node: str
    ledger: Ledger
    nonce: int = 0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    """set when there may be something to offer, or the stream has ended"""


class Discovery:
    """Holds the newest weights of `releases` and brings them to every Envoy that asks. Lives on one event loop."""

    def __init__(self, releases: Sequence[str], base: BaseRoutes | None = None, *, headers: bool = True) -> None:
        """`base`: the user's table, which releases are merged into; without one the table is theirs.

        `headers`: whether answers say by which release, variant and revision.
        """
        self._releases, self._base, self._headers = releases, base, headers
        self._newest: dict[str, WeightsRecord] = {}
        self._accepted: dict[str, WeightsRecord] = {}
        self._refusals: Counter[str] = Counter()
        self._conversations: list[_Conversation] = []

    def update(self, record: WeightsRecord) -> None:
        """Takes weights that are newer than those held, or their fallback, or its end; older ones change nothing."""
        held = self._newest.get(record.release)
        if not record.replaces(held):
            return
        self._newest[record.release] = record
        if held is None or _place(held) != _place(record):
            self._warn_of_shared(record)
        for conversation in self._conversations:
            conversation.stirred.set()

    def _warn_of_shared(self, record: WeightsRecord) -> None:
        sharing = sorted(name for name, other in self._newest.items() if _place(other) == _place(record))
        if len(sharing) > 1:
            _log.warning("prefix_shared", prefix=record.prefix, routed_by=sharing[0], without_traffic=sharing[1:])

    def standing(self, release: str) -> Standing:
        """Gives how far `release` has come."""
        ledgers = [conversation.ledger for conversation in self._conversations]
        refusals = [refusal for ledger in ledgers if (refusal := ledger.standing_refusal(release))]
        editions = [ledger.in_force.get(release, Edition()) for ledger in ledgers]
        return Standing(
            in_force=min((edition.revision for edition in editions), default=NO_REVISION),
            offered=max((ledger.offered.get(release, NO_REVISION) for ledger in ledgers), default=NO_REVISION),
            refused=max(refusals, key=lambda refusal: refusal.revision).words if refusals else "",
            refusals=self._refusals[release],
            fallback=max((edition.fallback for edition in editions), default=""),
        )

    async def converse(self, requests: AsyncIterator[DiscoveryRequest], outlet: Outlet) -> None:
        """Serves one Envoy until it hangs up."""
        conversation = await self._greet(requests)
        if conversation is None:
            return
        self._conversations.append(conversation)
        listening = asyncio.create_task(self._listen(conversation, requests))
        try:
            while not listening.done():
                conversation.stirred.clear()
                offer = conversation.ledger.offer(self._newest, self._accepted)
                if offer is not None:
                    conversation.nonce += 1
                    await outlet.write(self._response(offer, conversation.nonce))
                await conversation.stirred.wait()
        finally:
            self._conversations.remove(conversation)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            _log.info("envoy_gone", node=conversation.node)

    def _response(self, offer: Offer, nonce: int) -> DiscoveryResponse:
        told = version(offer.records.values())
        response = DiscoveryResponse(version_info=told, type_url=TYPE_URL, nonce=str(nonce))
        table = route_configuration(offer.records.values(), closed=offer.closed.values(), headers=self._headers)
        response.resources.add().Pack(self._base.merged(table) if self._base else table, deterministic=True)
        return response

    async def _greet(self, requests: AsyncIterator[DiscoveryRequest]) -> _Conversation | None:
        """Waits for the request that asks for our table; others are left unanswered."""
        async for request in requests:
            if ROUTE_CONFIG in request.resource_names:
                _log.info("envoy_connected", node=request.node.id, version=request.version_info)
                return _Conversation(request.node.id, Ledger(self._releases, in_force=editions(request.version_info)))
            _log.warning("routes_unknown", node=request.node.id, asked_for=list(request.resource_names))
        return None

    async def _listen(self, conversation: _Conversation, requests: AsyncIterator[DiscoveryRequest]) -> None:
        try:
            async for request in requests:
                self._hear(conversation, request)
        finally:
            conversation.stirred.set()

    def _hear(self, conversation: _Conversation, request: DiscoveryRequest) -> None:
        if request.response_nonce != str(conversation.nonce) or not conversation.ledger.is_waiting:
            return  # an answer to an older offer, or a second request after the same one
        if request.HasField("error_detail"):
            self._take_refusal(conversation, request.error_detail.message)
        else:
            self._take_acceptance(conversation)
        conversation.stirred.set()

    def _take_acceptance(self, conversation: _Conversation) -> None:
        offer = conversation.ledger.accept()
        for release, record in offer.records.items():
            if record.replaces(self._accepted.get(release)):
                self._accepted[release] = record
        _log.info("weights_in_force", node=conversation.node, version=version(offer.records.values()))

    def _take_refusal(self, conversation: _Conversation, words: str) -> None:
        offer = conversation.ledger.refuse(words)
        if len(offer.tried) == 1:
            self._refusals.update(offer.tried)
        tried = version(offer.records[release] for release in offer.tried)
        _log.warning("weights_refused", node=conversation.node, version=tried, words=words)


def _place(record: WeightsRecord) -> tuple[str, str]:
    """Gives what two releases cannot both have the traffic of."""
    return (record.prefix, record.condition)
