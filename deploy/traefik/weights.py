#!/usr/bin/env python3
"""Brings weights to Traefik: takes them from `trimtab sidecar exec` on standard input, writes a file that it watches.

    trimtab sidecar exec --release checkout -- /etc/traefik/weights.py /etc/traefik/dynamic/trimtab.yaml \
        --server checkout-v1=http://127.0.0.1:8001 --server checkout-v2=http://127.0.0.1:8002

For each release the file defines a weighted service of the release's name, for routers of other files in the same
folder (`service: checkout@file`; see static.yaml and checkout.yaml beside this file), over one service a variant. JSON
is YAML, too. Parts are exact to 1/10,000 of the requests. Weights are those of the whole: Traefik is told of no
segments and no conditions.
"""

import argparse
import json
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes weights as a file of Traefik's file provider.")
    parser.add_argument("file", type=Path, help="in the folder that Traefik watches")
    parser.add_argument("--server", action="append", default=[], metavar="TARGET=URL", help="may be repeated")
    options = parser.parse_args()
    servers: dict[str, list[str]] = {}
    for told in options.server:
        target, _, url = told.partition("=")
        servers.setdefault(target, []).append(url)
    services = {}
    for release in json.load(sys.stdin)["releases"].values():
        for target in release["targets"].values():
            if target not in servers:
                print(f"no server of {target}: expected --server {target}=URL")
                return 1
            services[target] = {"loadBalancer": {"servers": [{"url": url} for url in servers[target]]}}
        parts = [{"name": release["targets"][variant], "weight": w} for variant, w in release["weights"].items()]
        services[release["release"]] = {"weighted": {"services": parts}}
    written = options.file.with_suffix(".new")
    written.write_text(json.dumps({"http": {"services": services}}, indent=1))
    written.replace(options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
