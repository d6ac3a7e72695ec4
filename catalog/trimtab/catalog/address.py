"""Where a catalogue is, as one URL.

sqlite:///catalog.db                a file, from the working directory
sqlite:////var/lib/trimtab/c.db     a file, from the root
arango://user@host:8529/database    ArangoDB; `arangos://` with TLS
"""

from urllib.parse import SplitResult, unquote, urlsplit

from trimtab.catalog.errors import WrongAddress
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.catalog.store import Store

_SCHEMES = ("sqlite", "arango", "arangos")
_EXPECTED = "expected sqlite:///PATH, arango://USER@HOST:PORT/DATABASE or arangos://"


def check_address(url: str) -> None:
    """Raises `ValueError`, without the password, for what is no address of a catalogue."""
    _parts(url)


def open_store(url: str, *, password: str = "", create: bool = True) -> Store:
    """Gives the catalogue at an address, to be closed by the caller.

    `password`: of ArangoDB's user, in place of one in the URL. `create`: whether to make a catalogue where there is
    none. Raises `WrongAddress`, or `Unreachable` where a server does not answer.
    """
    try:
        parts = _parts(url)
    except ValueError as error:
        raise WrongAddress(str(error)) from None
    if parts.scheme == "sqlite":
        return SqliteStore(unquote(parts.path[1:]), create=create)
    try:
        from trimtab.catalog.arango_store import ArangoStore  # noqa: PLC0415 - most have no ArangoDB
    except ModuleNotFoundError as error:
        raise WrongAddress(f"{error.name} is not installed; run: pip install 'trimtab[arango]'") from error
    return ArangoStore(parts, password=password, create=create)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"{_EXPECTED}, got one that cannot be read") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"{_EXPECTED}, got the scheme {parts.scheme!r:.40}")
    path = parts.path.strip("/")
    if parts.scheme == "sqlite" and (parts.netloc or not path or parts.query):
        raise ValueError("expected sqlite:///PATH with three slashes, or four for a path from the root")
    if parts.scheme != "sqlite" and (not parts.hostname or not path or "/" in path or parts.query):
        raise ValueError(f"{_EXPECTED}, got no host or no database")
    return parts
