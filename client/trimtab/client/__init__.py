"""What a service imports to take part in a release: publish what it saw, follow the weights.

from trimtab.client import RoutingKey, Telemetry, Weights
"""

from trimtab.client.telemetry import Telemetry, TelemetryStats
from trimtab.client.weights import Weights, WeightsStats
from trimtab.schemas.decision import Phase, WeightsRecord
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.telemetry import Failure, RoutingKey

__all__ = [
    "Failure",
    "Phase",
    "RoutingKey",
    "Telemetry",
    "TelemetryStats",
    "Unreachable",
    "Weights",
    "WeightsRecord",
    "WeightsStats",
]
