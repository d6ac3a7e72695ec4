"""The connection to Kafka in Faust's words: who we are, whom we trust, and where bearer tokens come from."""

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError
from faust.auth import Credentials, OAuthCredentials, SASLCredentials, SSLCredentials

from trimtab.schemas.bearer import BearerToken, as_token, read_token
from trimtab.schemas.kafka_connection import KafkaConnection, Mechanism, OAuthSettings, SaslSettings, SecurityProtocol

_ENDPOINT_S: Final = 10.0
_FRESH: Final = 0.8
"""The part of a token's life after which another is fetched, as librdkafka does."""


def faust_credentials(kafka: KafkaConnection) -> Credentials | None:
    """Gives what Faust has to know of security; None where there is none."""
    if kafka.security_protocol is SecurityProtocol.PLAINTEXT:
        return None
    context = kafka.tls.context() if kafka.security_protocol.is_tls else None
    if not kafka.security_protocol.is_sasl:
        return SSLCredentials(context)
    if kafka.sasl.mechanism is Mechanism.OAUTHBEARER:
        return OAuthCredentials(oauth_cb=_tokens(kafka.sasl.oauth), ssl_context=context)
    return _by_password(kafka.sasl, context)


def _by_password(sasl: SaslSettings, context: ssl.SSLContext | None) -> Credentials:
    return SASLCredentials(
        username=sasl.username,
        password=sasl.password.get_secret_value() if sasl.password else "",
        ssl_context=context,
        mechanism=sasl.mechanism.value if sasl.mechanism else None,
    )


def _tokens(oauth: OAuthSettings) -> AbstractTokenProvider:
    return _FileTokens(oauth) if oauth.token_file is not None else _EndpointTokens(oauth)


@dataclass(slots=True)
class _FileTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped
    """Whatever token stands in the file when a connection is made."""

    oauth: OAuthSettings

    async def token(self) -> str:
        assert self.oauth.token_file is not None  # noqa: S101 - for mypy
        try:
            return (await asyncio.to_thread(read_token, self.oauth.token_file)).value
        except (OSError, ValueError) as error:
            raise KafkaConnectionError(f"kafka.sasl.oauth.token_file: {error}") from None


@dataclass(slots=True)
class _EndpointTokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped
    """Tokens of an endpoint, each used for most of its life.

    Consumer and producer ask from event loops of their own, so nothing here belongs to a loop; at worst two tokens are
    fetched where one would have done.
    """

    oauth: OAuthSettings
    _held: BearerToken | None = None
    _stale_s: float = field(default=0.0)

    async def token(self) -> str:
        held = self._held
        if held is None or time.time() >= self._stale_s:
            held = await self._fetched()
            now_s = time.time()
            self._held, self._stale_s = held, now_s + _FRESH * (held.expiry_s - now_s)
        return held.value

    async def _fetched(self) -> BearerToken:
        where = f"kafka.sasl.oauth.token_endpoint: {self.oauth.token_endpoint}"
        try:
            return as_token(await self._asked())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # As a lost connection: Faust tries again.
            raise KafkaConnectionError(f"{where}: {error or 'no answer'}") from None
        except (KeyError, TypeError, ValueError):
            raise KafkaConnectionError(f"{where}: expected JSON with an access_token") from None

    async def _asked(self) -> str:
        oauth = self.oauth
        secret = oauth.client_secret.get_secret_value() if oauth.client_secret else ""
        form = {"grant_type": "client_credentials"} | ({"scope": oauth.scope} if oauth.scope else {})
        trusted = ssl.create_default_context(cafile=str(oauth.ca_file) if oauth.ca_file else None)
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ENDPOINT_S)) as session,
            session.post(
                oauth.token_endpoint,
                data=form,
                auth=aiohttp.BasicAuth(oauth.client_id, secret),
                ssl=trusted,
                raise_for_status=True,
            ) as answer,
        ):
            return str((await answer.json(content_type=None))["access_token"])
