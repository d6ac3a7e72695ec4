"""An Envoy sidecar as a program: `run_sidecar.py OPTIONS`, with the options as JSON."""

import json
import sys
from pathlib import Path

from trimtab.sidecar.envoy import EnvoySidecarOptions, run

if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    cache = Path(told["cache"]) if told["cache"] else None
    paths = {name: Path(told[name]) for name in ("socket", "log", "checkpoint", "routes") if name in told}
    sys.exit(run(EnvoySidecarOptions(**{**told, "releases": tuple(told["releases"]), "cache": cache, **paths})))
