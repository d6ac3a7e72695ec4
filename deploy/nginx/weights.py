#!/usr/bin/env python3
"""Brings weights to nginx: takes them from `trimtab sidecar exec` on standard input, writes a file, reloads nginx.

    trimtab sidecar exec --release checkout -- /etc/nginx/weights.py /etc/nginx/conf.d/trimtab.conf

For each release the file defines two variables: `$trimtab_checkout`, an upstream to pass requests to, and
`$trimtab_checkout_variant`, the variant that it stands for. See checkout.conf beside this file. Parts are exact to
1/10,000 of the requests. Weights are those of the whole: nginx is told of no segments and no conditions.

Where nginx refuses the file, or has no such upstream, the old file is put back, nginx goes on as it was, and the last
line printed says why.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

UPSTREAM = re.compile(r"^\s*upstream\s+(\S+?)\s*\{", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes weights as a file of nginx, and reloads it.")
    parser.add_argument("file", type=Path, help="which nginx.conf includes at the level of http")
    parser.add_argument("--nginx", default="nginx", help="command, with the options that your nginx runs with")
    parser.add_argument("--key", default="$request_id", help="what is split; visitors: say $cookie_id")
    options = parser.parse_args()
    releases = json.load(sys.stdin)["releases"].values()
    nginx = shlex.split(options.nginx)
    before = options.file.read_bytes() if options.file.exists() else None
    replace(options.file, "".join(blocks(release, options.key) for release in releases).encode())
    if problem := refused(nginx, releases):
        if before is None:
            options.file.unlink()
        else:
            replace(options.file, before)
        print(problem)
        return 1
    return subprocess.run([*nginx, "-s", "reload"], check=False).returncode


def blocks(release: dict, key: str) -> str:
    name = "trimtab_" + re.sub(r"[^a-z0-9]", "_", release["release"])
    taken = [(release["targets"][variant], weight) for variant, weight in release["weights"].items() if weight]
    lines = [f"    {weight / 100:.2f}% {target};" for target, weight in taken[:-1]]
    lines += [f"    * {taken[-1][0]};"]
    split = "\n".join([f'split_clients "{key}" ${name} {{', *lines, "}"])
    named = [f"    {target} {variant};" for variant, target in release["targets"].items()]
    return "\n".join([split, f"map ${name} ${name}_variant {{", *named, "}", ""])


def refused(nginx: list[str], releases: list[dict]) -> str:
    """Gives what nginx has against the file, in its own words; nothing where it takes it."""
    tested = subprocess.run([*nginx, "-T"], capture_output=True, text=True, check=False)
    if tested.returncode:
        lines = [line for line in tested.stderr.splitlines() if "[emerg]" in line]
        return (lines or tested.stderr.splitlines() or ["nginx -T failed"])[-1]
    there = set(UPSTREAM.findall(tested.stdout))
    wanted = [target for release in releases for target in release["targets"].values()]
    missing = [target for target in wanted if target not in there]
    return f"nginx has no upstream {missing[0]}; it has {', '.join(sorted(there)) or 'none'}" if missing else ""


def replace(file: Path, content: bytes) -> None:
    written = file.with_suffix(".new")
    written.write_bytes(content)
    written.replace(file)


if __name__ == "__main__":
    sys.exit(main())
