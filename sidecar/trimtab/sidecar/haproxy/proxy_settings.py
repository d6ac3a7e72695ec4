"""What a configuration of HAProxy needs that no release file says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.sidecar.haproxy.names import Files


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """What is the user's own in a configuration."""

    bind: str
    """where visitors come: HOST:PORT, or what else HAProxy binds to"""
    socket: Path
    """HAProxy's stats socket"""
    state: Path
    """the folder that HAProxy shares with its sidecar"""
    servers: Mapping[str, str]
    """server -> HOST:PORT. A server is called by its target, or by TARGET.N where a target has several"""
    sticky: bool = False
    """whether visitors stay at their server, by a cookie"""
    segment_key: str = ""
    """the sample that the map of segments is asked by, such as `req.hdr(x-customer)`"""
    log_to_stdout: bool = False
    """whether the log goes to HAProxy's standard output, and so into a file; else to the sidecar, over a ring"""

    @property
    def files(self) -> Files:
        """The files in `state`."""
        return Files(self.state)
