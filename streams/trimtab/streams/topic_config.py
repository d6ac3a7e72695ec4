"""How topics that exist are configured, where the broker can tell."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource

TIMESTAMP: Final = "message.timestamp.type"
CLEANUP: Final = "cleanup.policy"
RETENTION: Final = "retention.ms"

_MOCK: Final = "mockCluster"
"""How the cluster ids of librdkafka's mock begin: it leaves the question unanswered."""
_UNABLE: Final = (
    KafkaError._UNSUPPORTED_FEATURE,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
"""Brokers that cannot or will not tell; a topic that is being deleted."""


def found_config(admin: AdminClient, names: Sequence[str], timeout_s: float) -> dict[str, dict[str, str]]:
    """Gives topic -> its configuration; nothing for topics of which the broker does not tell.

    Raises `KafkaException` when it does not answer.
    """
    if not names or (admin.list_topics(timeout=timeout_s).cluster_id or "").startswith(_MOCK):
        return {}
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for resource, answer in admin.describe_configs(asked, request_timeout=timeout_s).items():
        try:
            found[resource.name] = {entry.name: entry.value for entry in answer.result().values() if entry.value}
        except KafkaException as error:
            if error.args[0].code() not in _UNABLE:
                raise
    return found
