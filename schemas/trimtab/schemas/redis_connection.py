"""How Redis is reached: one server, one that Sentinel names, or a Cluster.

redis://[USER:PASSWORD@]HOST:PORT/DB              one server; rediss:// with TLS, unix://PATH for a socket
redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB   the master of SERVICE, as these sentinels know it
redis+cluster://HOST:PORT,HOST:PORT               a Cluster, as these nodes know it; rediss+… with TLS
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from trimtab.schemas.setting import SETTING, broken
from trimtab.schemas.tls import TlsSettings

_SCHEMES: Final = (
    "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
)  # fmt: skip
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_HIGHEST_PORT: Final = 65_535


class RedisKind(StrEnum):
    """How many servers there are, and who says which one to write to."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """A Redis URL, taken apart."""

    kind: RedisKind
    is_tls: bool
    nodes: tuple[tuple[str, int], ...]
    """host and port; none for a unix socket"""
    path: str
    """of a unix socket"""
    service: str
    """that the sentinels know"""
    db: int
    username: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        """The address without credentials, for people."""
        if self.path:
            return self.path
        nodes = ",".join(f"{host}:{port}" for host, port in self.nodes)
        return f"{nodes}/{self.service}" if self.service else nodes


def parse_redis_url(url: str) -> RedisAddress:
    """Gives the parts of `url`. Raises `ValueError`, which never shows a password, for one that is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("expected a URL such as redis://HOST:PORT/0") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"expected a URL such as redis://HOST:PORT/0, with one of {', '.join(_SCHEMES)}")
    if parts.query or parts.fragment:
        raise ValueError("expected a URL without ? and #: options are settings of their own")
    username, password = _credentials(parts.netloc.rpartition("@")[0])
    scheme, _, kind = parts.scheme.partition("+")
    if scheme == "unix":
        if not parts.path:
            raise ValueError("expected a URL with the path of a socket: unix:///run/redis.sock")
        return RedisAddress(RedisKind.SERVER, False, (), parts.path, "", 0, username, password)  # noqa: FBT003 - TLS
    kind = RedisKind(kind or RedisKind.SERVER)
    nodes = _nodes(parts.netloc.rpartition("@")[2], _SENTINEL_PORT if kind is RedisKind.SENTINEL else _PORT)
    if kind is RedisKind.SERVER and len(nodes) > 1:
        raise ValueError("expected a URL with one HOST:PORT; several belong to redis+sentinel or redis+cluster")
    service, db = _place(kind, [part for part in parts.path.split("/") if part])
    return RedisAddress(kind, scheme == "rediss", nodes, "", service, db, username, password)


def _credentials(text: str) -> tuple[str, str]:
    username, _, password = text.partition(":")
    return unquote(username), unquote(password)


def _nodes(text: str, port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_node(node, port) for node in text.split(","))


def _node(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or default
    except ValueError:
        host, port = None, default
    if not host:
        raise ValueError("expected a URL such as redis://HOST:PORT/0: HOST:PORT cannot be read")
    return host, port


def _place(kind: RedisKind, path: list[str]) -> tuple[str, int]:
    if kind is RedisKind.SENTINEL:
        if not path:
            raise ValueError("expected a URL such as redis+sentinel://HOST:PORT/SERVICE/0: no SERVICE in it")
        service, *path = path
    else:
        service = ""
    if path and not (len(path) == 1 and path[0].isdigit()):
        raise ValueError("expected a URL that ends with the number of a database, such as /0")
    db = int(path[0]) if path else 0
    if db and kind is RedisKind.CLUSTER:
        raise ValueError("expected a URL without a database: a Cluster has only number 0")
    return service, db


def checked_redis_url(url: str) -> str:
    """Gives `url` back if it can be the address of a Redis. Raises `ValueError`, without its password, if not."""
    parse_redis_url(url)
    return url


class RedisConnection(BaseModel):
    """A Redis, and how to talk to it."""

    model_config = SETTING

    url: Annotated[str, AfterValidator(checked_redis_url), Field(repr=False)] = "redis://127.0.0.1:6379/0"
    """where it is: `redis://`, `rediss://` (TLS), `unix://`, `redis+sentinel://`, `redis+cluster://`"""
    username: str = ""
    """ACL user, unless the URL has one"""
    password: SecretStr | None = None
    """its password, unless the URL has one"""
    sentinel_username: str = ""
    """ACL user of the sentinels themselves"""
    sentinel_password: SecretStr | None = None
    """its password"""
    tls: TlsSettings = TlsSettings()

    @model_validator(mode="after")
    def _says_it_once(self) -> Self:
        address = self.address
        if address.password and self.password is not None:
            raise broken("password", "expected it here or in url, got both")
        if address.username and self.username:
            raise broken("username", "expected it here or in url, got both")
        if self.user and not self.secret:
            raise broken("password", f"expected one for the user {self.user}, got nothing")
        if self.tls != TlsSettings() and not address.is_tls:
            raise broken("url", "expected one with rediss, for tls is set; got another")
        is_for_sentinels = bool(self.sentinel_username or self.sentinel_password)
        if is_for_sentinels and address.kind is not RedisKind.SENTINEL:
            raise broken("url", "expected one with redis+sentinel, for credentials of sentinels are set; got another")
        return self

    @property
    def address(self) -> RedisAddress:
        """The URL's parts; as text without credentials."""
        return parse_redis_url(self.url)

    @property
    def user(self) -> str:
        """The ACL user, or nothing."""
        return self.username or self.address.username

    @property
    def secret(self) -> str:
        """The password, or nothing."""
        return self.password.get_secret_value() if self.password else self.address.password

    @classmethod
    def of(cls, redis: "str | RedisConnection") -> "RedisConnection":
        """Gives a connection as it is, and a URL as a connection."""
        return redis if isinstance(redis, RedisConnection) else cls(url=redis)
