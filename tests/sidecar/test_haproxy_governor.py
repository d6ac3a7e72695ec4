"""A refusal in the middle of a change leaves the old weights, and tries get rarer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.haproxy_rig import HAProxyRig, needs_haproxy
from sidecar.weights import ERA, weights
from trimtab.sidecar.haproxy.governor import Governor
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = [pytest.mark.integration, needs_haproxy]

WORDS = "Weight cannot be changed now."


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Between:
    """Stands between the sidecar and HAProxy, and refuses commands that begin as `refused` does, as HAProxy would."""

    def __init__(self, rig: HAProxyRig) -> None:
        self._rig = rig
        self.refused = "nothing"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = (await reader.readline()).decode().rstrip("\n").split(";")
        for command in commands:
            if command.startswith(self.refused):
                writer.write(f"{WORDS}\n\n".encode())
            else:
                writer.write((await asyncio.to_thread(self._rig.tell, command)).encode())
        writer.close()


@asynccontextmanager
async def between(rig: HAProxyRig) -> AsyncIterator[tuple[Governor, Between, Clock]]:
    standing, clock = Between(rig), Clock()
    path = rig.folder / "between.sock"
    async with await asyncio.start_unix_server(standing.serve, path):
        yield Governor(("checkout",), path, rig.files, clock=clock), standing, clock


async def put_back(rig: HAProxyRig) -> None:
    async with between(rig) as (governor, standing, clock):
        governor.update(first := weights(revision=1, v1=9_000, v2=1_000))
        await governor.govern()
        assert (rig.weights(), rig.has(first)) == ({"at-v1": 252, "at-v2": 28}, True)
        standing.refused = "set server checkout/at-v1 weight 28"  # the second of two: at-v2 has been raised by then
        governor.update(weights(revision=2, v1=1_000, v2=9_000))
        await governor.govern()
        assert (rig.weights(), rig.has(first)) == ({"at-v1": 252, "at-v2": 28}, True)
        told = governor.standing("checkout")
        assert told.refused == f"set server checkout/at-v1 weight 28: {WORDS}"
        await governor.govern()
        assert (told.in_force, told.offered, told.refusals) == ((ERA, 1), (ERA, 2), 1)
        clock.now_s = 1.0
        standing.refused = "nothing"
        await governor.govern()
        assert (told.in_force, told.refused) == ((ERA, 2), "")
        assert rig.weights() == {"at-v1": 28, "at-v2": 252}


async def rarer(rig: HAProxyRig) -> None:
    async with between(rig) as (governor, standing, clock):
        standing.refused = "set server checkout/at-v2"
        governor.update(weights(revision=1, v1=9_000, v2=1_000))
        tried_at_s = []
        for second in range(130):
            clock.now_s = float(second)
            before = governor.standing("checkout").refusals
            await governor.govern()
            if governor.standing("checkout").refusals > before:
                tried_at_s.append(second)
        assert tried_at_s == [0, 1, 3, 7, 15, 31, 61, 91, 121]
        governor.update(weights(revision=2, v1=8_000, v2=2_000))
        await governor.govern()
        assert governor.standing("checkout").refusals == len(tried_at_s) + 1


def test_a_refusal_in_the_middle_leaves_the_old_weights(redis: EmbeddedRedis) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        asyncio.run(put_back(rig))


def test_tries_get_rarer_and_a_newer_revision_is_tried_at_once(redis: EmbeddedRedis) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        asyncio.run(rarer(rig))
