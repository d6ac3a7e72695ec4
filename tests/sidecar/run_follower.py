"""A sidecar that brings weights to a command or a file, as a program: `run_follower.py OPTIONS`, as JSON."""

import json
import sys
from pathlib import Path

from trimtab.sidecar.command import Command
from trimtab.sidecar.follow import run
from trimtab.sidecar.follower import FollowerOptions
from trimtab.sidecar.kubernetes.patcher import Patcher
from trimtab.sidecar.kubernetes.shapes import HTTP_ROUTE, VIRTUAL_SERVICE
from trimtab.sidecar.weights_file import WeightsFile

SHAPES = {shape.kind: shape for shape in (HTTP_ROUTE, VIRTUAL_SERVICE)}


def patcher(kind: str, kubeconfig: str, total: int) -> Patcher:
    return Patcher(SHAPES[kind], "shop", "checkout", kubeconfig=Path(kubeconfig), total=total)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    command, path, timeout_s = told.pop("command"), told.pop("path"), told.pop("timeout_s")
    cluster = told.pop("kubernetes", None)
    if cluster:
        bring = patcher(**cluster).bring
    else:
        bring = Command(command, timeout_s).bring if command else WeightsFile(Path(path)).bring
    cache = Path(told["cache"]) if told["cache"] else None
    sys.exit(run(FollowerOptions(**{**told, "releases": tuple(told["releases"]), "cache": cache}), bring))
