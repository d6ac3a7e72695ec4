"""What a service imports to take part in a release: publish what it saw, follow the weights.

from trimtab.client import RoutingKey, Telemetry, Weights
"""

from trimtab.client.telemetry import Telemetry, TelemetryStats
from trimtab.client.weights import Weights, WeightsStats
from trimtab.schemas.decision import Phase, WeightsRecord
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.kafka_connection import KafkaConnection, OAuthSettings, SaslSettings
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.schemas.tls import TlsSettings

__all__ = [
    "Failure",
    "KafkaConnection",
    "OAuthSettings",
    "Phase",
    "RedisConnection",
    "RoutingKey",
    "SaslSettings",
    "Telemetry",
    "TelemetryStats",
    "TlsSettings",
    "Unreachable",
    "Weights",
    "WeightsRecord",
    "WeightsStats",
]
