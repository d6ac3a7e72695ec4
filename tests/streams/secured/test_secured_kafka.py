"""Worker, client and command line on a genuine Kafka that lets nobody in unknown."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streams.secured.certificates import KEY_PASSWORD, Certificates
from streams.secured.system import System
from streams.secured.token_endpoint import TokenEndpoint, unsigned_token
from trimtab.streams.embedded import EmbeddedRedis
from trimtab.streams.local import LocalKafka

pytestmark = pytest.mark.local

USER, PASSWORD, WRONG = "worker", "sesame-" + "1", "sesame-" + "2"
_PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_OAUTH = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
    ' unsecuredLoginStringClaim_sub="broker";'
)


def tls(certificates: Certificates) -> dict[str, object]:
    return {
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": certificates.server.both,
        "listener.name.client.ssl.truststore.type": "PEM",
        "listener.name.client.ssl.truststore.location": certificates.ca,
    }


def protocols(client: str) -> dict[str, object]:
    return {"listener.security.protocol.map": f"CLIENT:{client},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"}


@pytest.fixture(scope="module")
def sasl(certificates: Certificates) -> Iterator[LocalKafka]:
    mechanisms = {"plain": _PLAIN, "scram-sha-256": _SCRAM, "scram-sha-512": _SCRAM, "oauthbearer": _OAUTH}
    login = {f"listener.name.client.{name}.sasl.jaas.config": module for name, module in mechanisms.items()}
    enabled = {"listener.name.client.sasl.enabled.mechanisms": ",".join(mechanisms).upper()}
    users = [
        word
        for name in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for word in ("--add-scram", f"{name}=[name={USER},password={PASSWORD}]")
    ]
    properties = tls(certificates) | protocols("SASL_SSL") | login | enabled
    with LocalKafka(properties=properties, format_arguments=users) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def mutual(certificates: Certificates) -> Iterator[LocalKafka]:
    asks = {"listener.name.client.ssl.client.auth": "required"}
    with LocalKafka(properties=tls(certificates) | protocols("SSL") | asks) as kafka:
        yield kafka


@pytest.fixture(autouse=True)
def no_topics(request: pytest.FixtureRequest) -> Iterator[None]:
    """Takes the topics of a test away, for the broker stays."""
    yield
    for name in ("sasl", "mutual"):
        if name in request.fixturenames:
            wipe(request.getfixturevalue(name))


def wipe(kafka: LocalKafka) -> None:
    # The listener of the brokers themselves, which asks for nothing.
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{kafka.ports[0].internal}"})
    names = [name for name in admin.list_topics(timeout=60).topics if name.startswith("trimtab")]
    for deleted in (admin.delete_topics(names) if names else {}).values():
        deleted.result()
    end_s = time.monotonic() + 30
    while any(name.startswith("trimtab") for name in admin.list_topics(timeout=60).topics):
        assert time.monotonic() < end_s, f"topics are still there: {names}"
        time.sleep(0.02)  # between two looks, not instead of one


def by_password(kafka: LocalKafka, redis: EmbeddedRedis, ca: Path, mechanism: str) -> dict[str, str]:
    return {
        "KAFKA__BOOTSTRAP": kafka.bootstrap,
        "KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA__TLS__CA_FILE": str(ca),
        "KAFKA__SASL__MECHANISM": mechanism,
        "KAFKA__SASL__USERNAME": USER,
        "KAFKA__SASL__PASSWORD": PASSWORD,
        "REDIS__URL": redis.url,
    }


def by_token(kafka: LocalKafka, redis: EmbeddedRedis, ca: Path, **oauth: str) -> dict[str, str]:
    variables = by_password(kafka, redis, ca, "OAUTHBEARER")
    del variables["KAFKA__SASL__USERNAME"], variables["KAFKA__SASL__PASSWORD"]
    return variables | {f"KAFKA__SASL__OAUTH__{name.upper()}": value for name, value in oauth.items()}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_events_are_counted_over_sasl_with_a_password(
    mechanism: str, sasl: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    with System(tmp_path, by_password(sasl, redis, certificates.ca, mechanism)) as system:
        system.run()


def test_events_are_counted_over_oauthbearer_with_tokens_of_an_endpoint(
    sasl: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    with TokenEndpoint(certificates.server, USER, PASSWORD, life_s=5) as endpoint:
        oauth = {"token_endpoint": endpoint.url, "client_id": USER, "client_secret": PASSWORD,
                 "ca_file": str(certificates.ca)}  # fmt: skip
        with System(tmp_path, by_token(sasl, redis, certificates.ca, **oauth)) as system:
            system.run()


def test_events_are_counted_over_oauthbearer_with_a_token_in_a_file(
    sasl: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(unsigned_token(USER, 300))
    with System(tmp_path, by_token(sasl, redis, certificates.ca, token_file=str(token))) as system:
        system.run()


def test_events_are_counted_over_mutual_tls(
    mutual: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    with System(tmp_path, by_certificate(mutual, redis, certificates)) as system:
        system.run()


def by_certificate(kafka: LocalKafka, redis: EmbeddedRedis, certificates: Certificates) -> dict[str, str]:
    return {
        "KAFKA__BOOTSTRAP": kafka.bootstrap,
        "KAFKA__SECURITY_PROTOCOL": "SSL",
        "KAFKA__TLS__CA_FILE": str(certificates.ca),
        "KAFKA__TLS__CERT_FILE": str(certificates.client.certificate),
        "KAFKA__TLS__KEY_FILE": str(certificates.client.key),
        "KAFKA__TLS__KEY_PASSWORD": KEY_PASSWORD,
        "REDIS__URL": redis.url,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_told_by_its_setting_and_not_shown(
    mechanism: str, sasl: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    variables = by_password(sasl, redis, certificates.ca, mechanism) | {"KAFKA__SASL__PASSWORD": WRONG}
    refused = System(tmp_path, variables).command("worker", "--wait", "3")
    assert refused.returncode == 2, refused.stderr
    assert "kafka.sasl.password (TRIMTAB_KAFKA__SASL__PASSWORD)" in refused.stderr
    assert WRONG not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr


def test_a_wrong_secret_of_the_endpoint_is_told_by_its_setting_and_not_shown(
    sasl: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    with TokenEndpoint(certificates.server, USER, PASSWORD) as endpoint:
        oauth = {"token_endpoint": endpoint.url, "client_id": USER, "client_secret": WRONG,
                 "ca_file": str(certificates.ca)}  # fmt: skip
        refused = System(tmp_path, by_token(sasl, redis, certificates.ca, **oauth)).command("worker", "--wait", "3")
    assert refused.returncode == 2, refused.stderr
    assert "TRIMTAB_KAFKA__SASL__OAUTH__CLIENT_SECRET" in refused.stderr
    assert WRONG not in refused.stderr + refused.stdout


def test_a_broker_of_another_authority_is_refused_by_the_setting_of_ours(
    sasl: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    variables = by_password(sasl, redis, certificates.stranger.certificate, "PLAIN")
    refused = System(tmp_path, variables).command("worker", "--wait", "3")
    assert refused.returncode == 2, refused.stderr
    assert "kafka.tls.ca_file (TRIMTAB_KAFKA__TLS__CA_FILE)" in refused.stderr


def test_a_wrong_protocol_does_not_hang(sasl: LocalKafka, redis: EmbeddedRedis, tmp_path: Path) -> None:
    variables = {"KAFKA__BOOTSTRAP": sasl.bootstrap, "REDIS__URL": redis.url}
    refused = System(tmp_path, variables).command("worker", "--wait", "3")
    assert refused.returncode in (2, 3), refused.stderr
    assert f"kafka at {sasl.bootstrap}" in refused.stderr


def test_a_client_without_its_certificate_is_refused(
    mutual: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    variables = by_certificate(mutual, redis, certificates)
    for name in ("CERT_FILE", "KEY_FILE", "KEY_PASSWORD"):
        del variables[f"KAFKA__TLS__{name}"]
    refused = System(tmp_path, variables).command("worker", "--wait", "3")
    assert refused.returncode in (2, 3), refused.stderr
    assert f"kafka at {mutual.bootstrap}" in refused.stderr


@pytest.fixture
def guarded(certificates: Certificates) -> Iterator[LocalKafka]:
    """A broker that lets nobody do what no ACL allows; the brokers among themselves are nobody in particular."""
    login = {
        "listener.name.client.plain.sasl.jaas.config": _PLAIN,
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with LocalKafka(properties=tls(certificates) | protocols("SASL_SSL") | login) as kafka:
        yield kafka


def allow(kafka: LocalKafka, kind: ResourceType, prefix: str, *operations: AclOperation) -> None:
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{kafka.ports[0].internal}"})
    pattern, allowed = ResourcePatternType.PREFIXED, AclPermissionType.ALLOW
    acls = [AclBinding(kind, prefix, pattern, f"User:{USER}", "*", operation, allowed) for operation in operations]
    for made in admin.create_acls(acls).values():
        made.result()


def test_the_rights_of_the_documentation_are_enough(
    guarded: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    of_topics = ("READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS", "CREATE")
    allow(guarded, ResourceType.TOPIC, "trimtab", *(AclOperation[name] for name in of_topics))
    allow(guarded, ResourceType.GROUP, "trimtab", AclOperation.READ)
    with System(tmp_path, by_password(guarded, redis, certificates.ca, "PLAIN")) as system:
        system.run()


def test_a_worker_that_may_not_create_its_topics_is_told_where_its_rights_are_listed(
    guarded: LocalKafka, redis: EmbeddedRedis, certificates: Certificates, tmp_path: Path
) -> None:
    refused = System(tmp_path, by_password(guarded, redis, certificates.ca, "PLAIN")).command("worker", "--wait", "3")
    assert refused.returncode == 2, refused.stderr
    assert "expected the rights that docs/settings.md lists" in refused.stderr
