"""Divergences: what keeps the traffic of a release from following its weights."""

from typing import Final, Literal

import msgspec

Kind = Literal["refused", "stuck", "shares", "stale", "drift"]
"""`refused`: a proxy takes no newer weights, in its own words; `stuck`: a sidecar stays behind; `shares`: what a proxy
gives is not what its weights say; these are told by sidecars. `stale`: requests are routed by weights that were
replaced before; `drift`: requests reach the variants otherwise than the weights of their revisions say; these two are
seen in telemetry, whoever sends it."""

GRACE_S: Final = 5
"""How long weights may take to be in force everywhere."""


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does, for as long as it does."""

    kind: Kind
    words: str
    """what is seen, with its numbers or the proxy's own words"""
    sidecar: str = ""
    """which one; empty where telemetry shows it"""
    proxy: str = ""
