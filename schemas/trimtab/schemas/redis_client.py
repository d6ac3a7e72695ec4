"""Clients of redis-py for a Redis as the settings describe it, alike for one server, Sentinel and Cluster.

Apart from what describes it, so that whoever only reads settings needs no redis-py.
"""

import ssl
from typing import Any, Final

from redis import Redis, RedisCluster, Sentinel
from redis import asyncio as aredis
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

from trimtab.schemas.redis_connection import RedisConnection, RedisKind
from trimtab.schemas.tls import TlsSettings

REDIS_FAILURES: Final = (RedisError, RedisClusterException, OSError)
"""What says that Redis cannot be had now. `RedisClusterException` is, oddly, no `RedisError`."""

_LOGIN: Final = ("NOAUTH", "WRONGPASS", "NOPERM", "AuthenticationError")

SyncRedis = Redis | RedisCluster
AsyncRedis = aredis.Redis | aredis.RedisCluster


def open_redis(redis: RedisConnection, timeout_s: float, **options: Any) -> SyncRedis:
    """Gives a client; nothing is tried twice, for whoever calls has a loop of its own.

    `options` are redis-py's. Raises `REDIS_FAILURES` where a Cluster does not answer; the others connect when used.
    """
    address, options = redis.address, _options(redis, timeout_s) | {"retry": Retry(NoBackoff(), 0)} | options
    if address.kind is RedisKind.CLUSTER:
        nodes = [ClusterNode(host, port) for host, port in address.nodes]  # type: ignore[no-untyped-call]  # redis-py
        return RedisCluster(startup_nodes=nodes, **options)
    if address.kind is RedisKind.SENTINEL:
        sentinel = Sentinel(address.nodes, sentinel_kwargs=_sentinel_options(redis, timeout_s), **options)  # type: ignore[no-untyped-call]  # redis-py
        followed: Redis = sentinel.master_for(address.service, redis_class=_Followed, db=address.db)  # type: ignore[no-untyped-call]  # redis-py
        return followed
    return Redis(**_place(redis), **options)


def open_async_redis(redis: RedisConnection, timeout_s: float, **options: Any) -> AsyncRedis:
    """Gives a client for one event loop, as `open_redis` does; none connects before it is used."""
    address, options = redis.address, _options(redis, timeout_s) | {"retry": AsyncRetry(NoBackoff(), 0)} | options
    if address.kind is RedisKind.CLUSTER:
        nodes = [AsyncClusterNode(host, port) for host, port in address.nodes]
        return aredis.RedisCluster(startup_nodes=nodes, **options)
    if address.kind is RedisKind.SENTINEL:
        sentinel = aredis.Sentinel(address.nodes, sentinel_kwargs=_sentinel_options(redis, timeout_s), **options)  # type: ignore[no-untyped-call]  # redis-py
        followed: aredis.Redis = sentinel.master_for(address.service, redis_class=_AsyncFollowed, db=address.db)
        return followed
    return aredis.Redis(**_place(redis), **options)


class _Followed(Redis):
    """A master that sentinels name: closing it also closes the connections to them."""

    def close(self) -> None:
        super().close()
        sentinels: Sentinel = self.connection_pool.sentinel_manager  # type: ignore[attr-defined]  # of its pool
        for sentinel in sentinels.sentinels:
            sentinel.close()


class _AsyncFollowed(aredis.Redis):
    """A master that sentinels name: closing it also closes the connections to them."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        await super().aclose(close_connection_pool)
        sentinels: aredis.Sentinel = self.connection_pool.sentinel_manager  # type: ignore[attr-defined]  # of its pool
        for sentinel in sentinels.sentinels:
            await sentinel.aclose()


def settings_behind(error: BaseException) -> tuple[str, ...]:
    """Gives the settings to look at where Redis is there and does not let us in, or we do not trust it; else none."""
    if isinstance(error, MasterNotFoundError):
        is_login = any(word in str(error) for word in _LOGIN)  # it holds the errors of all sentinels as text
        return ("sentinel_username", "sentinel_password") if is_login else ()
    if _is_login(error):
        return ("username", "password")
    cause = error.__cause__ or error.__context__
    if isinstance(error, ssl.SSLError):
        return ("tls.ca_file", "tls.cert_file", "tls.check_hostname")
    return settings_behind(cause) if cause is not None else ()


def words_for(error: BaseException) -> str:
    """Gives what an error says, for people: one of Sentinel would describe every connection in full."""
    return "the sentinels name no master" if isinstance(error, MasterNotFoundError) else str(error)


def _is_login(error: BaseException) -> bool:
    if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError)):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(_LOGIN)


def _place(redis: RedisConnection) -> dict[str, Any]:
    address = redis.address
    if address.path:
        return {"unix_socket_path": address.path, "db": address.db}
    host, port = address.nodes[0]
    return {"host": host, "port": port, "db": address.db}


def _options(redis: RedisConnection, timeout_s: float) -> dict[str, Any]:
    return _shared(redis, timeout_s) | _login(redis.user, redis.secret)


def _sentinel_options(redis: RedisConnection, timeout_s: float) -> dict[str, Any]:
    secret = redis.sentinel_password.get_secret_value() if redis.sentinel_password else ""
    return _shared(redis, timeout_s) | _login(redis.sentinel_username, secret)


def _shared(redis: RedisConnection, timeout_s: float) -> dict[str, Any]:
    options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "protocol": 2}
    return options | _tls(redis.tls) if redis.address.is_tls else options


def _login(username: str, password: str) -> dict[str, Any]:
    return {name: value for name, value in (("username", username), ("password", password)) if value}


def _tls(tls: TlsSettings) -> dict[str, Any]:
    options = {
        "ssl": True,
        "ssl_check_hostname": tls.check_hostname,
        "ssl_ca_certs": tls.ca_file and str(tls.ca_file),
        "ssl_certfile": tls.cert_file and str(tls.cert_file),
        "ssl_keyfile": tls.key_file and str(tls.key_file),
        "ssl_password": tls.key_password and tls.key_password.get_secret_value(),
    }
    return {name: value for name, value in options.items() if value is not None}
