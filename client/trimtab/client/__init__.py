"""What a service imports to take part in a release: publish what it saw, follow the weights, pick variants itself.

from trimtab.client import Assign, Outcome, RoutingKey, Telemetry, Weights

For FastAPI and Starlette all of it is one middleware, `trimtab.client.asgi.Trimtab`.
"""

from trimtab.client.assign import Assign, Assignment
from trimtab.client.combine import Answer, combine
from trimtab.client.copies import copied
from trimtab.client.ensemble import Combined, Ensemble, Panel
from trimtab.client.labels import Labels, LabelsStats
from trimtab.client.outcome import Outcome
from trimtab.client.telemetry import Telemetry, TelemetryStats
from trimtab.client.weights import Weights
from trimtab.client.weights_stats import WeightsStats
from trimtab.schemas.decision import Phase, WeightsRecord
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.inference import Served, answered_by, asked_for, variant_of
from trimtab.schemas.kafka_connection import KafkaConnection, OAuthSettings, SaslSettings
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.request_match import Request
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.schemas.tls import TlsSettings

__all__ = [
    "Answer",
    "Assign",
    "Assignment",
    "Combined",
    "Ensemble",
    "Failure",
    "KafkaConnection",
    "Labels",
    "LabelsStats",
    "OAuthSettings",
    "Outcome",
    "Panel",
    "Phase",
    "RedisConnection",
    "Request",
    "RoutingKey",
    "SaslSettings",
    "Served",
    "Telemetry",
    "TelemetryStats",
    "TlsSettings",
    "Unreachable",
    "Weights",
    "WeightsRecord",
    "WeightsStats",
    "answered_by",
    "asked_for",
    "combine",
    "copied",
    "variant_of",
]
