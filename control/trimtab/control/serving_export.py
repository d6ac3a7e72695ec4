"""The newest weights of a release as what model servers on Kubernetes are told.

KServe's InferenceService (`serving.kserve.io/v1beta1`) has one number, `canaryTrafficPercent`: what the revision that
the manifest describes takes from the one that was rolled out last; without it, that revision is rolled out. Seldon's
Experiment (`mlops.seldon.io/v1alpha1`) has a weight of each candidate, and may mirror.
"""

from typing import Any, Final

from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Release
from trimtab.schemas.strategy import Ensemble, Shadow

_POINTS_PER_PERCENT: Final = 100
_PAIR: Final = 2

Manifest = dict[str, Any]


class NotExportable(TrimtabError):
    """A release that a model server cannot be told of; the message is why."""


def kserve(release: Release, decision: Decision, *, storage_uri: str, model_format: str, service: str = "") -> Manifest:
    """Gives an InferenceService for the one candidate of a release; `storage_uri` and `model_format` are of its model.

    Whole percent, rounded down: nobody gets more than was decided. Raises `NotExportable`.
    """
    _refuse_ensemble(release)
    variants = [variant.name for variant in release.spec.variants]
    if len(variants) != _PAIR:
        raise NotExportable(
            f"release {release.name}: an InferenceService has one candidate beside what was rolled out, got"
            f" {', '.join(variants)}; a Seldon Experiment takes them all"
        )
    candidate = next(name for name in variants if name != release.spec.baseline)
    predictor: Manifest = {"model": {"modelFormat": {"name": model_format}, "storageUri": storage_uri}}
    if decision.phase is not Phase.PROMOTED or decision.weights[candidate] != BASIS_POINTS:
        predictor["canaryTrafficPercent"] = decision.weights[candidate] // _POINTS_PER_PERCENT
    return _manifest(
        "serving.kserve.io/v1beta1", "InferenceService", service or release.name, decision, {"predictor": predictor}
    )


def seldon(release: Release, decision: Decision, *, experiment: str = "") -> Manifest:
    """Gives an Experiment over all variants, by their names at the proxy; a shadow's candidate is mirrored to.

    Raises `NotExportable` for a shadow of several candidates, and for an ensemble.
    """
    _refuse_ensemble(release)
    named = {variant.name: variant.at_proxy for variant in release.spec.variants}
    baseline = named[release.spec.baseline]
    candidates = [{"name": target, "weight": decision.weights.get(name, 0)} for name, target in named.items()]
    spec: Manifest = {"default": baseline, "candidates": candidates}
    if isinstance(release.spec.strategy, Shadow):
        others = [target for target in named.values() if target != baseline]
        if len(others) != 1:
            raise NotExportable(
                f"release {release.name}: an Experiment mirrors to one model, got {', '.join(others)} to be mirrored to"
            )
        spec["candidates"] = [{"name": baseline, "weight": BASIS_POINTS}]
        spec["mirror"] = {"name": others[0], "percent": 100}
    return _manifest("mlops.seldon.io/v1alpha1", "Experiment", experiment or release.name, decision, spec)


def left_out(release: Release, decision: Decision) -> list[str]:
    """Gives what a release says of its traffic that no model server can be told, a line each."""
    told: list[str] = []
    if decision.segments:
        told.append(f"release {release.name}: the weights are those of all traffic; its segments have their own:"
                    f" {', '.join(decision.segments)}")  # fmt: skip
    under = [variant.name for variant in release.spec.variants if variant.condition]
    if under:
        told.append(f"release {release.name}: conditions are left out, those of {', '.join(under)}")
    return told


def _refuse_ensemble(release: Release) -> None:
    if isinstance(release.spec.strategy, Ensemble):
        raise NotExportable(
            f"release {release.name}: every member of an ensemble answers every request: its weights are of their"
            " answers, none of traffic that a model server could split"
        )


def _manifest(version: str, kind: str, name: str, decision: Decision, spec: Manifest) -> Manifest:
    told = {
        "trimtab.dev/release": decision.release, "trimtab.dev/revision": f"{decision.era}.{decision.revision}",
        "trimtab.dev/rule": decision.rule,
    }  # fmt: skip
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "annotations": told}, "spec": spec}
