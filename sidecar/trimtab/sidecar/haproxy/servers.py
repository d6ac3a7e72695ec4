"""The servers that HAProxy has, as it tells them itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trimtab.sidecar.haproxy.names import target_of
from trimtab.sidecar.haproxy.runtime import ProxyRefused

_VERSION: Final = "1"
_RUNNING: Final = "2"
_COLUMNS: Final = ("be_name", "srv_name", "srv_op_state", "srv_admin_state", "srv_uweight")


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a backend."""

    weight: int
    """0 to 256"""
    is_up: bool
    """whether HAProxy would send it anything, its weight allowing"""


Servers = Mapping[str, Mapping[str, Server]]
"""Backend -> server -> what is known of it."""


def servers_of(answer: str) -> Servers:
    """Gives what `show servers state` answers. Raises `ProxyRefused` for anything else."""
    lines = answer.splitlines()
    if len(lines) < 2 or lines[0] != _VERSION or not lines[1].startswith("# "):  # noqa: PLR2004 - version, columns
        raise ProxyRefused(f"show servers state: {answer.strip()[:200]!r}, expected version {_VERSION} of its table")
    columns = lines[1].removeprefix("# ").split()
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise ProxyRefused(f"show servers state: no column {missing[0]}")
    found: dict[str, dict[str, Server]] = {}
    for line in lines[2:]:
        row = dict(zip(columns, line.split(" "), strict=False))
        if len(row) == len(columns):
            is_up = row["srv_op_state"] == _RUNNING and row["srv_admin_state"] == "0"
            found.setdefault(row["be_name"], {})[row["srv_name"]] = Server(int(row["srv_uweight"]), is_up)
    return found


def by_target(servers: Mapping[str, Server]) -> dict[str, list[str]]:
    """Gives the names of the servers of each target."""
    found: dict[str, list[str]] = {}
    for name in servers:
        found.setdefault(target_of(name), []).append(name)
    return found
