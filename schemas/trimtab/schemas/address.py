"""Addresses to listen on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int
    """0 for any that is free"""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads `HOST:PORT`, `:PORT` or `[IPv6]:PORT`; without a host it is loopback. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:  # noqa: PLR2004 - the greatest port
            raise ValueError(f"expected HOST:PORT with a port from 0 to 65535, got {text!r}")
        return cls(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))
