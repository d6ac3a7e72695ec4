"""Kafka as an administrator sees it, with words for what it refuses."""

from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from trimtab.schemas.errors import Refused, Unreachable
from trimtab.schemas.kafka_connection import KafkaConnection, Mechanism, librdkafka_config
from trimtab.streams.setting_table import both_spellings

_LISTEN_S: Final = 0.1
_UNAUTHORIZED: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)


class Admin:
    """An admin client that remembers why it could not connect: its own calls only say that they timed out."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._errors: list[KafkaError] = []
        self.client = AdminClient(librdkafka_config(kafka) | {"error_cb": self._errors.append, "log_level": 0})
        # Lets a token be fetched before the first connection is made.
        self.client.poll(0)

    def failure(self, error: KafkaException) -> Unreachable:
        """Gives the error to raise where `error` came: `Refused`, with the settings to look at, or `Unreachable`."""
        self.client.poll(_LISTEN_S)
        where, own = f"kafka at {self._kafka.bootstrap}", error.args[0]
        for said in (own, *self._errors):
            if said.code() in _UNAUTHORIZED:
                return Refused(f"{where}: {said.str()}; expected the rights that docs/settings.md lists")
            if look := self._settings_behind(said):
                names = ", ".join(both_spellings(("kafka", *name.split("."))) for name in look)
                return Refused(f"{where}: {_reason(said)}; look at {names}")
        details = "".join(f"; {_reason(said)}" for said in self._errors[:1])
        return Unreachable(f"{where}: {own.str()}{details}")

    def _settings_behind(self, error: KafkaError) -> tuple[str, ...]:
        if error.code() == KafkaError._AUTHENTICATION:
            return self._of_login()
        if error.code() == KafkaError._SSL:
            return ("tls.ca_file", "tls.cert_file", "tls.check_hostname", "security_protocol")
        return ()

    def _of_login(self) -> tuple[str, ...]:
        mechanism, oauth = self._kafka.sasl.mechanism, self._kafka.sasl.oauth
        if mechanism is None:
            return ("security_protocol",)
        if mechanism is not Mechanism.OAUTHBEARER:
            return ("sasl.username", "sasl.password", "sasl.mechanism")
        if oauth.token_file is not None:
            return ("sasl.oauth.token_file",)
        return ("sasl.oauth.token_endpoint", "sasl.oauth.client_id", "sasl.oauth.client_secret")


def _reason(error: KafkaError) -> str:
    """Gives what librdkafka says without the address, which stands before it."""
    return str(error.str()).split("]: ", 1)[-1]
