"""The Envoy sidecar as a program."""

import asyncio
import sys
from typing import Final

from trimtab.sidecar.envoy.options import EnvoySidecarOptions

EXIT_MISSING: Final = 2
"""A package that the sidecar needs is not installed."""

_EXTRA: Final = frozenset({"grpc", "google", "envoy", "xds", "udpa", "validate"})
"""The modules that come with the extra."""


def run(options: EnvoySidecarOptions) -> int:
    """Serves Envoy until SIGTERM or SIGINT, and gives the exit code. To be called from the main thread."""
    try:
        # Imported late, for gRPC comes with an extra: without it there is to be one clear line.
        from trimtab.sidecar.envoy.sidecar import serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(f"trimtab: {error.name} is not installed; run: pip install 'trimtab[envoy]'\n")
        return EXIT_MISSING
    return asyncio.run(serve(options))
