"""The sidecar of a HAProxy: weights over its runtime API, its log as telemetry."""

from trimtab.sidecar.haproxy.options import HAProxySidecarOptions
from trimtab.sidecar.haproxy.sidecar import run

__all__ = ["HAProxySidecarOptions", "run"]
