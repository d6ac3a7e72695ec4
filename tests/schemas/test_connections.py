"""Connections to Kafka and Redis as settings describe them, and what the libraries are told."""

import base64
import json
import time
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from trimtab.schemas.bearer import as_token, read_token
from trimtab.schemas.kafka_connection import (
    KafkaConnection,
    Mechanism,
    OAuthSettings,
    SaslSettings,
    SecurityProtocol,
    librdkafka_config,
)
from trimtab.schemas.redis_connection import RedisConnection, RedisKind, parse_redis_url
from trimtab.schemas.tls import TlsSettings

SECRET = "geheim-" + str(4711)


def jwt(**claims: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".signature"


def test_a_url_of_one_server_is_taken_apart() -> None:
    address = parse_redis_url("rediss://me:pass%40word@redis.example.com:7000/3")
    assert (address.kind, address.is_tls, address.nodes) == (RedisKind.SERVER, True, (("redis.example.com", 7000),))
    assert (address.username, address.password, address.db) == ("me", "pass@word", 3)


def test_a_url_of_a_socket_is_taken_apart() -> None:
    assert parse_redis_url("unix:///run/redis.sock").path == "/run/redis.sock"


def test_a_url_of_sentinels_has_their_nodes_the_service_and_the_database() -> None:
    address = parse_redis_url("redis+sentinel://a,b:5000,[::1]:5001/main/2")
    assert address.kind is RedisKind.SENTINEL
    assert address.nodes == (("a", 26379), ("b", 5000), ("::1", 5001))
    assert (address.service, address.db) == ("main", 2)


def test_a_url_of_a_cluster_has_its_nodes() -> None:
    address = parse_redis_url("rediss+cluster://:x@a,b:5000")
    assert (address.kind, address.is_tls) == (RedisKind.CLUSTER, True)
    assert address.nodes == (("a", 6379), ("b", 5000))


@pytest.mark.parametrize(
    "url",
    [f"redis://me:{SECRET}@a:1/0", f"redis+sentinel://me:{SECRET}@a:1/main", f"unix://me:{SECRET}@/run/redis.sock"],
)
def test_an_address_is_written_without_its_credentials(url: str) -> None:
    connection = RedisConnection(url=url)
    assert connection.secret == SECRET
    for text in (str(connection.address), repr(connection.address), repr(connection), str(connection)):
        assert SECRET not in text


def test_a_password_of_its_own_goes_with_a_user_of_the_url() -> None:
    connection = RedisConnection(url="redis://me@a", password=SecretStr(SECRET))
    assert (connection.user, connection.secret) == ("me", SECRET)


def test_addresses_alone_are_a_connection_without_security() -> None:
    assert librdkafka_config(KafkaConnection.of("a:1, b:2")) == {
        "bootstrap.servers": "a:1,b:2", "client.id": "trimtab", "security.protocol": "PLAINTEXT",
    }  # fmt: skip


def test_scram_over_tls_is_told_in_the_words_of_librdkafka() -> None:
    sasl = SaslSettings(mechanism=Mechanism.SCRAM_SHA_512, username="me", password=SecretStr(SECRET))
    tls = TlsSettings(check_hostname=False)
    kafka = KafkaConnection(security_protocol=SecurityProtocol.SASL_SSL, sasl=sasl, tls=tls)
    assert SECRET not in repr(kafka)
    config = librdkafka_config(kafka)
    assert config["security.protocol"] == "SASL_SSL"
    assert config["ssl.endpoint.identification.algorithm"] == "none"
    assert (config["sasl.mechanism"], config["sasl.username"]) == ("SCRAM-SHA-512", "me")
    assert config["sasl.password"] == SECRET


def test_the_name_of_the_server_is_checked_unless_settings_say_otherwise() -> None:
    kafka = KafkaConnection(security_protocol=SecurityProtocol.SSL)
    assert librdkafka_config(kafka)["ssl.endpoint.identification.algorithm"] == "https"
    assert TlsSettings().context().check_hostname
    assert not TlsSettings(check_hostname=False).context().check_hostname


def test_a_token_of_a_file_is_read_anew_whenever_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(jwt(sub="me", exp=1_000))
    oauth = OAuthSettings(token_file=file)
    sasl = SaslSettings(mechanism=Mechanism.OAUTHBEARER, oauth=oauth)
    ask = librdkafka_config(KafkaConnection(security_protocol=SecurityProtocol.SASL_SSL, sasl=sasl))["oauth_cb"]
    assert ask("")[1:3] == (1_000.0, "me")
    file.write_text(jwt(sub="me", exp=2_000) + "\n")
    assert ask("")[1] == 2_000.0


@pytest.mark.parametrize("value", ["opaque", "a.b.c", "a.W10.c", jwt(sub="me"), jwt(exp="soon")])
def test_a_token_that_does_not_tell_its_end_is_taken_to_last_five_minutes(value: str) -> None:
    token = as_token(value)
    assert 290 < token.expiry_s - time.time() <= 300
    assert value not in repr(token)


def test_an_empty_file_holds_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ValueError, match="expected a token, found an empty file"):
        read_token(tmp_path / "token")


def test_a_wrong_connection_in_code_is_refused_without_its_secret() -> None:
    with pytest.raises(ValidationError) as refused:
        RedisConnection(url=f"redis://:{SECRET}@a:port")
    assert SECRET not in str(refused.value)
    with pytest.raises(ValidationError) as refused:
        KafkaConnection(sasl=SaslSettings(password=SecretStr(SECRET)))
    assert SECRET not in str(refused.value)
