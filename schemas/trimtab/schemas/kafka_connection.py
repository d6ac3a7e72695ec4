"""How Kafka is reached: by workers, by the client, by sidecars and by the command line alike."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, SecretStr, model_validator

from trimtab.schemas.bearer import read_token
from trimtab.schemas.setting import SETTING, broken
from trimtab.schemas.tls import TlsSettings

_HIGHEST_PORT: Final = 65_535


class SecurityProtocol(StrEnum):
    """What a listener of Kafka speaks."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def is_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def is_sasl(self) -> bool:
        """Whether we name ourselves by SASL."""
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


class Mechanism(StrEnum):
    """How we name ourselves by SASL."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class _Part(BaseModel):
    model_config = SETTING


class OAuthSettings(_Part):
    """Where tokens come from: an endpoint (client credentials, RFC 6749 section 4.4) or a file."""

    token_endpoint: str = ""
    """URL that gives a token for client id and secret"""
    client_id: str = ""
    """who asks the endpoint"""
    client_secret: SecretStr | None = None
    """its secret"""
    scope: str = ""
    """scopes to ask for, separated by spaces"""
    ca_file: Path | None = None
    """authorities to trust the endpoint by; without it those of the operating system"""
    token_file: Path | None = None
    """file with a token that somebody else keeps fresh, in place of an endpoint"""

    @model_validator(mode="after")
    def _is_one_source(self) -> Self:
        if self.token_file is not None and self.token_endpoint:
            raise broken("token_file", "expected either a file or token_endpoint, got both")
        if self.token_endpoint:
            self._check_endpoint()
        if self.token_file is not None:
            try:
                read_token(self.token_file)
            except (OSError, ValueError) as error:
                raise broken("token_file", f"expected a file with a token: {error}") from None
        return self

    def _check_endpoint(self) -> None:
        if not self.token_endpoint.startswith(("https://", "http://")):
            raise broken("token_endpoint", "expected a URL with https or http")
        for name in ("client_id", "client_secret"):
            if not getattr(self, name):
                raise broken(name, "expected a value, for token_endpoint is set; got nothing")
        if self.ca_file is not None and not self.ca_file.exists():
            raise broken("ca_file", f"expected a PEM file at {self.ca_file}, found none")


class SaslSettings(_Part):
    """Who we are to Kafka."""

    mechanism: Mechanism | None = None
    """PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"""
    username: str = ""
    """for PLAIN and SCRAM"""
    password: SecretStr | None = None
    """for PLAIN and SCRAM"""
    oauth: OAuthSettings = OAuthSettings()

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.mechanism is Mechanism.OAUTHBEARER:
            if not self.oauth.token_endpoint and self.oauth.token_file is None:
                raise broken("oauth.token_endpoint", "expected a URL, or a file in token_file; got neither")
        elif self.mechanism is not None:
            for name in ("username", "password"):
                if not getattr(self, name):
                    raise broken(name, f"expected a value for {self.mechanism}, got nothing")
        return self


def _checked_servers(servers: str) -> str:
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not (port.isdigit() and 0 < int(port) <= _HIGHEST_PORT) or "/" in server or "@" in server:
            raise broken("", "expected HOST:PORT, or several with commas" + _shown(server))
    return ",".join(server.strip() for server in servers.split(","))


def _shown(server: str) -> str:
    return "" if "@" in server else f"; got {server!r}"  # what stands before an @ may be a password


class KafkaConnection(_Part):
    """A cluster, and how to talk to it."""

    bootstrap: Annotated[str, AfterValidator(_checked_servers)] = "127.0.0.1:9092"
    """HOST:PORT, or several with commas"""
    security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"""
    tls: TlsSettings = TlsSettings()
    sasl: SaslSettings = SaslSettings()
    client_id: str = "trimtab"
    """what the broker's logs and quotas call us"""
    rack: str = ""
    """where we are; consumers read from a replica there (KIP-392)"""

    @model_validator(mode="after")
    def _fits_the_protocol(self) -> Self:
        if self.security_protocol.is_sasl and self.sasl.mechanism is None:
            raise broken("sasl.mechanism", f"expected a mechanism for {self.security_protocol}, got nothing")
        if not self.security_protocol.is_sasl and self.sasl != SaslSettings():
            raise broken("security_protocol", f"expected SASL_SSL or SASL_PLAINTEXT{self._for('sasl')}")
        if not self.security_protocol.is_tls and self.tls != TlsSettings():
            raise broken("security_protocol", f"expected SSL or SASL_SSL{self._for('tls')}")
        return self

    def _for(self, part: str) -> str:
        return f", for {part} is set; got {self.security_protocol}"

    @classmethod
    def of(cls, kafka: "str | KafkaConnection") -> "KafkaConnection":
        """Gives a connection as it is, and addresses as a connection without security."""
        return kafka if isinstance(kafka, KafkaConnection) else cls(bootstrap=kafka)


def librdkafka_config(kafka: KafkaConnection) -> dict[str, Any]:
    """Gives the connection in the words of librdkafka (confluent-kafka). It holds secrets: not to be shown."""
    config: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap,
        "client.id": kafka.client_id,
        "security.protocol": kafka.security_protocol.value,
    }
    if kafka.security_protocol.is_tls:
        config |= _tls(kafka.tls)
    if kafka.security_protocol.is_sasl:
        config |= _sasl(kafka.sasl)
    return config


def _tls(tls: TlsSettings) -> dict[str, Any]:
    config = {
        "ssl.ca.location": tls.ca_file and str(tls.ca_file),
        "ssl.certificate.location": tls.cert_file and str(tls.cert_file),
        "ssl.key.location": tls.key_file and str(tls.key_file),
        "ssl.key.password": tls.key_password and tls.key_password.get_secret_value(),
        "ssl.endpoint.identification.algorithm": "https" if tls.check_hostname else "none",
    }
    return {name: value for name, value in config.items() if value}


def _sasl(sasl: SaslSettings) -> dict[str, Any]:
    if sasl.mechanism is Mechanism.OAUTHBEARER:
        return {"sasl.mechanism": sasl.mechanism.value, **_oauth(sasl.oauth)}
    password = sasl.password.get_secret_value() if sasl.password else ""
    return {"sasl.mechanism": str(sasl.mechanism), "sasl.username": sasl.username, "sasl.password": password}


def _oauth(oauth: OAuthSettings) -> dict[str, Any]:
    if oauth.token_file is not None:
        return {"oauth_cb": partial(_token_in, oauth.token_file)}
    config = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": oauth.token_endpoint,
        "sasl.oauthbearer.client.id": oauth.client_id,
        "sasl.oauthbearer.client.secret": oauth.client_secret and oauth.client_secret.get_secret_value(),
        "sasl.oauthbearer.scope": oauth.scope,
        "https.ca.location": oauth.ca_file and str(oauth.ca_file),
    }
    return {name: value for name, value in config.items() if value}


def _token_in(path: Path, _config: str) -> tuple[str, float, str, dict[str, str]]:
    token = read_token(path)
    return token.value, token.expiry_s, token.subject, {}
