"""The grammar of Redis keys and channels.

    trimtab:releases                      set: the names of all releases
    trimtab:{NAME}:weights                hash: era, revision, weights (JSON), decision (JSON)
    trimtab:{NAME}:weights                channel of the same name: the weights (JSON), at each new revision, and again
                                          every 5 s for as long as a worker stands behind them
    trimtab:{NAME}:sidecar:ID             string (JSON), expires: what a sidecar has in force
    trimtab:worker:ID                     string (JSON), expires: what a worker has taken, refused and decided

The braces are literal: they are the hash tag that keeps all keys of one release in one slot of a Redis Cluster.
"""

from typing import Final

RELEASES: Final = "trimtab:releases"


def weights_key(release: str) -> str:
    """Gives the key of the newest weights and decision of `release`."""
    return f"trimtab:{{{release}}}:weights"


def weights_channel(release: str) -> str:
    """Gives the channel on which each newer revision of `release` is announced, and the newest again and again."""
    return f"trimtab:{{{release}}}:weights"


ALL_SIDECARS: Final = "trimtab:{*}:sidecar:*"
"""SCAN pattern of all sidecar reports."""


def sidecar_key(release: str, sidecar: str) -> str:
    """Gives the key under which `sidecar` reports what it has in force for `release`."""
    return f"trimtab:{{{release}}}:sidecar:{sidecar}"


def sidecar_pattern(release: str) -> str:
    """Gives the SCAN pattern of all sidecar reports of `release`."""
    return sidecar_key(release, "*")


def worker_key(worker: str) -> str:
    """Gives the key under which `worker` reports its counters."""
    return f"trimtab:worker:{worker}"
