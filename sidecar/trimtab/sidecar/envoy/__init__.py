"""The sidecar of an Envoy proxy: routes by weight in, access log out."""

from trimtab.sidecar.envoy.options import EnvoySidecarOptions
from trimtab.sidecar.envoy.program import run

__all__ = ["EnvoySidecarOptions", "run"]
