"""Visitors: requests through the proxy, and what came of each, published so that the objective can count it.

    python examples/visit.py http://127.0.0.1:10000/ 200

Kafka's address is taken from TRIMTAB_KAFKA__BOOTSTRAP.
"""

# ruff: noqa: S310, S311, T201, TID251 - a program that visits what it is told to, draws lots, prints, and is set up
# by its environment

import os
import random
import sys
from collections import Counter
from collections.abc import Mapping
from urllib.error import HTTPError
from urllib.request import urlopen

from trimtab.client import RoutingKey, Telemetry


def routed(headers: Mapping[str, str]) -> RoutingKey:
    """Gives where a request went, and by which weights: the proxy says so in the headers of every response."""
    era, revision = headers["x-trimtab-revision"].split(".")
    release, variant = headers["x-trimtab-release"], headers["x-trimtab-variant"]
    return RoutingKey(release, variant, headers.get("x-trimtab-segment", ""), int(era), int(revision))


def visit(url: str) -> Mapping[str, str]:
    """Gives the headers of a response, be it an error or not."""
    try:
        with urlopen(url, timeout=5) as response:
            return dict(response.headers)
    except HTTPError as error:
        return dict(error.headers)


def main(url: str, count: int) -> None:
    """Visits `url` so many times, one after the other; every third visitor buys something."""
    served: Counter[str] = Counter()
    kafka = os.environ.get("TRIMTAB_KAFKA__BOOTSTRAP", "127.0.0.1:9092")
    with Telemetry(kafka, publisher="example-visitors") as telemetry:  # one for each process
        for _ in range(count):
            key = routed(visit(url))
            telemetry.outcome(key, "converted", float(random.random() < 1 / 3))
            served[key.variant] += 1
    print(", ".join(f"{variant} served {served[variant]}" for variant in sorted(served)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
