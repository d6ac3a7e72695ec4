"""A first release of a model, from training to the decision, in one file to read from top to bottom and to change.

    addresses=$(mktemp); python examples/servers.py > "$addresses" &    # or a Kafka and a Redis of yours
    sleep 3; . "$addresses"
    trimtab worker &
    trimtab labels --table labels.db &
    trimtab apply -f examples/models-canary.yaml
    python examples/models_first_release.py --corrupt    # v2 learned from corrupted labels: rolled back
    trimtab retry digits --reason "the labels are mended"
    python examples/models_first_release.py              # promoted, once each step has lasted as long as the file says

It needs `pip install 'trimtab[demo]'`. Kafka and Redis are those of TRIMTAB_KAFKA__BOOTSTRAP and TRIMTAB_REDIS__URL. It
ends with the release, or after `--seconds`. The marks `# %%` are cells, for editors that run a file like a notebook.
"""

# ruff: noqa: T201, S311, TID251 - a program that prints, draws lots, and is set up by its environment

import argparse
import os
import random
import time
from collections import deque
from typing import NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.naive_bayes import GaussianNB

from trimtab.client import Assign, Labels, RoutingKey, Telemetry, Weights

RELEASE = "digits"
LATE_S = 2.0  # how long it takes until somebody knows what was true

parser = argparse.ArgumentParser(description="a first release of a model")
parser.add_argument("--corrupt", action="store_true", help="let v2 learn from corrupted labels")
parser.add_argument("--seconds", type=float, default=1800.0, help="at most")
parser.add_argument("--rps", type=float, default=300.0, help="requests per second")
given = parser.parse_args()
lots = random.Random(1)

# %% Data: images of 8 by 8 pixels. What the service is asked about is what no model has seen.
images, truth = load_digits(return_X_y=True)
order = np.random.default_rng(1).permutation(len(truth))
images, truth = images[order], truth[order]
seen, unseen = slice(0, 900), slice(900, None)

# %% Two models: the one of today, and the one that is to take its place.
told = truth[seen].copy()
if given.corrupt:
    wrong = np.random.default_rng(2).random(len(told)) < 0.7  # noqa: PLR2004 - seven rows in ten were mixed up
    told[wrong] = np.random.default_rng(3).integers(0, 10, int(wrong.sum()))
models: dict[str, ClassifierMixin] = {
    "v1": GaussianNB(var_smoothing=1e-2).fit(images[seen], truth[seen]),
    "v2": ExtraTreesClassifier(20, random_state=1).fit(images[seen], told),
}
for name, model in models.items():
    print(f"{name} {type(model).__name__}: right {model.score(images[unseen], truth[unseen]):.1%} of the time")


# %% A request: the release says which model answers, and everybody who has to know is told.
class Waiting(NamedTuple):
    """A request whose truth is not known yet."""

    due_s: float
    request: str
    truth: str


def answer(assign: Assign, telemetry: Telemetry, labels: Labels) -> Waiting:
    """Answers one request."""
    at = lots.randrange(len(truth[unseen]))
    picked = assign.pick(RELEASE)
    key: RoutingKey = picked.key
    telemetry.request(key)
    began_s = time.perf_counter()
    shares = models[picked.variant].predict_proba(images[unseen][at : at + 1])[0]
    telemetry.response(key, (time.perf_counter() - began_s) * 1000, 200)
    probabilities = {str(digit): round(float(share), 4) for digit, share in enumerate(shares) if share >= 0.0001}  # noqa: PLR2004
    labels.predicted(key, picked.request, label=str(shares.argmax()), probabilities=probabilities)
    return Waiting(time.monotonic() + LATE_S, picked.request, str(truth[unseen][at]))


# %% The service, and the people who find out later what was true.
kafka = os.environ.get("TRIMTAB_KAFKA__BOOTSTRAP", "127.0.0.1:9092")
redis = os.environ.get("TRIMTAB_REDIS__URL", "redis://127.0.0.1:6379")
with (
    Weights(redis, [RELEASE]) as weights,
    Telemetry(kafka, publisher="models-first-release") as telemetry,
    Labels(kafka) as labels,
):
    assign = Assign(weights, default={RELEASE: "v1"})
    waiting: deque[Waiting] = deque()
    ends_s, due_s, shown = time.monotonic() + given.seconds, time.monotonic(), ""
    while time.monotonic() < ends_s:
        waiting.append(answer(assign, telemetry, labels))
        while waiting and waiting[0].due_s <= time.monotonic():
            known = waiting.popleft()
            labels.labelled(known.request, label=known.truth)
        record = weights.get(RELEASE)
        if record and (now := f"{record.phase}: {record.weights}") != shown:
            print(now, flush=True)
            shown = now
        if record and record.phase.is_over:
            break
        due_s += 1 / given.rps
        time.sleep(max(0.0, due_s - time.monotonic()))

print("Why it came to that: trimtab explain digits")
