"""What the catalogue learns of releases: which model answers as which variant since when, and how well it serves.

A deployment is written when a variant is first seen to be a model. Its figures are those of decisions, at most one of
each variant, segment and metric in five minutes, so that writing costs little beside deciding: share of the traffic,
error ratio, latency, the objective, and the metrics of the release file.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import Final

from trimtab.catalog.entry import Change
from trimtab.catalog.figure import Figure, is_possible
from trimtab.catalog.node import Deployment, parse_node
from trimtab.catalog.store import Store
from trimtab.catalog.view import Snapshot
from trimtab.schemas.decision import Arm, Decision, SegmentArm
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION, Revision
from trimtab.schemas.model_ref import MAX_NAME, ModelRef
from trimtab.schemas.model_term import METRIC
from trimtab.schemas.release import Release

PERIOD_S: Final = 300
"""How often figures are written; `MAX_TIMES` of them are five days."""


class Recorder:
    """Writes into one catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, int] = {}
        """release -> the period of which its figures were written last"""

    def record(self, release: Release, decision: Decision, snapshot: Snapshot) -> None:
        """Writes what is new of a release. Raises `Unreachable`."""
        deployments: dict[str, ModelRef] = {}
        nodes: list[Deployment] = []
        for variant in release.spec.variants:
            model = variant.model.model if variant.model else None
            if model is None or not snapshot.has(model):
                continue
            known = snapshot.deployment(release.name, variant.name, decision.id)
            if known is None or model not in snapshot.edges(known):
                nodes.append(_deployment(release.name, variant.name, model, decision.id if known else NO_REVISION))
                known = nodes[-1].ref
            deployments[variant.name] = known
        period = decision.time_ms // 1000 // PERIOD_S
        is_due = bool(deployments) and self._written.get(release.name, -1) < period
        figures = dict(_figures(release, decision, deployments, period * PERIOD_S)) if is_due else {}
        if nodes or figures:
            self._store.write(
                Change(nodes=tuple(nodes), figures=figures, actor="trimtab models", time_s=int(time.time()))
            )
        if figures:
            self._written[release.name] = period


def _deployment(release: str, variant: str, model: ModelRef, since: Revision) -> Deployment:
    name = f"{release}.{variant}.{since[0]}-{since[1]}"
    if len(name) > MAX_NAME:
        name = hashlib.sha256(name.encode()).hexdigest()
    made = parse_node(
        {
            "kind": "deployment", "name": name, "release": release, "variant": variant, "since": list(since),
            "restsOn": [model],
        }
    )  # fmt: skip
    assert isinstance(made, Deployment)  # noqa: S101 - for mypy; it says so itself
    return made


def _figures(
    release: Release, decision: Decision, deployments: Mapping[str, ModelRef], time_s: int
) -> Iterator[tuple[ModelRef, tuple[Figure, ...]]]:
    objective = metric_name(release.spec.objective.metric)
    for arm in decision.arms:
        if arm.variant in deployments and arm.responses:
            yield deployments[arm.variant], tuple(_of_arm(arm, objective, time_s))


def _of_arm(arm: Arm, objective: str, time_s: int) -> Iterator[Figure]:
    yield from _known(_values(arm, objective), "", time_s, arm.responses)
    for segment, of in arm.segments.items():
        yield from _known(_values(of, objective), segment, time_s, of.responses)


def _values(of: Arm | SegmentArm, objective: str) -> dict[str, float | None]:
    return {
        "share": of.weight / BASIS_POINTS, "error_ratio": of.error_ratio, "p50_ms": of.p50_ms, "p99_ms": of.p99_ms,
        **{metric_name(name): value for name, value in of.metrics.items()},
        objective: of.reward_sum / of.trials if of.trials else None,  # an arm's `mean` is turned around to be minimised
    }  # fmt: skip


def _known(values: Mapping[str, float | None], segment: str, time_s: int, count: int) -> Iterator[Figure]:
    for metric, value in values.items():
        if metric and value is not None and is_possible(metric, value):
            yield Figure(metric=metric, value=value, segment=segment, time_s=time_s, count=count)


def metric_name(name: str) -> str:
    """Gives how the catalogue calls a metric of a release file; empty where it cannot.

    >>> metric_name("converted"), metric_name("qoe-eu"), metric_name("9")
    ('converted', 'qoe_eu', '')
    """
    made = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
    return made if re.fullmatch(METRIC, made) else ""
