"""Variants that are models, held against the catalogue: which model each is, and whether it may still be used.

A query is resolved when its release is applied. From then on the variant is that model, also when a better one comes:
an experiment whose arms change under it says nothing. It is another one only when that one may not be used any more.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from trimtab.catalog.choice import choose, matching_refs, why_nothing
from trimtab.catalog.errors import CatalogError, UnknownNode
from trimtab.catalog.view import Snapshot
from trimtab.schemas.limits import Variant
from trimtab.schemas.model_arm import ModelArm
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.preference import ModelChoice
from trimtab.schemas.release import Release

Fate = Literal["keeps", "holds", "goes"]
"""`keeps`: its model may be used; `holds`: its query means no model any more, while its own is not revoked; `goes`: its
model must not be used"""


class Judged(NamedTuple):
    """What becomes of a variant."""

    variant: str
    fate: Fate
    why: str = ""
    instead: ModelRef | None = None
    """of a query, where it goes: the model that it means now"""


def has_models(release: Release) -> bool:
    """Whether a release needs the catalogue."""
    return any(variant.model is not None for variant in release.spec.variants)


def resolve(release: Release, snapshot: Snapshot, before: Release | None = None) -> Release:
    """Gives a release in which every query has its model: that of `before`, the release as it is, while it may be used.

    Raises `CatalogError` where a query means no model, or a model must not be used.
    """
    had = {variant.name: variant.model for variant in before.spec.variants} if before else {}
    models: dict[str, ModelRef] = {}
    for variant in release.spec.variants:
        if variant.model is not None:
            try:
                models[variant.name] = _resolved(variant.model, snapshot, had.get(variant.name))
            except CatalogError as error:
                raise type(error)(f"release {release.name}, variant {variant.name}: {error}") from None
    return with_models(release, models)


def _resolved(arm: ModelArm, snapshot: Snapshot, had: ModelArm | None) -> ModelRef:
    if arm.ref is not None:
        if why := _unusable(ModelRef(arm.ref), snapshot):
            raise UnknownNode(why)
        return ModelRef(arm.ref)
    kept = had.resolved if had and (had.where, had.prefer) == (arm.where, arm.prefer) else None
    if kept and not _unusable(ModelRef(kept), snapshot) and kept in matching_refs(snapshot, arm.where or ""):
        return ModelRef(kept)
    return choose(snapshot, _query(arm)).chosen


def with_models(release: Release, models: Mapping[str, ModelRef]) -> Release:
    """Gives a release whose queries mean these models (variant -> model)."""
    variants = tuple(_with_model(variant, models.get(variant.name)) for variant in release.spec.variants)
    changed = release.model_copy(update={"spec": release.spec.model_copy(update={"variants": variants})})
    return Release.model_validate_json(changed.document())  # targets may be alike now


def _with_model(variant: Variant, model: ModelRef | None) -> Variant:
    if variant.model is None or variant.model.where is None or model is None:
        return variant
    return variant.model_copy(update={"model": variant.model.model_copy(update={"resolved": str(model)})})


def judge(release: Release, snapshot: Snapshot) -> list[Judged]:
    """Gives what becomes of each variant that is a model, in the order of the release file."""
    return [_judged(one.name, one.model, snapshot) for one in release.spec.variants if one.model is not None]


def _judged(variant: str, arm: ModelArm, snapshot: Snapshot) -> Judged:
    unusable = _unusable(arm.model, snapshot) if arm.model else f"its query was never resolved: {arm.where!r:.80}"
    if arm.where is None:
        return Judged(variant, "goes" if unusable else "keeps", unusable)
    if not unusable and arm.model in matching_refs(snapshot, arm.where):
        return Judged(variant, "keeps")
    choice = choose(snapshot, _query(arm))
    why = unusable or f"{arm.model} does not match {arm.where!r:.200} any more"
    if choice.front:
        return Judged(variant, "goes", why, choice.chosen)
    told = why_nothing(choice)
    return Judged(variant, "goes", f"{why}; {told}") if unusable else Judged(variant, "holds", told)


def _unusable(model: ModelRef, snapshot: Snapshot) -> str:
    """Gives why a model must not be used; empty where it may be."""
    return snapshot.out.get(model, "") if snapshot.has(model) else f"there is no {model} in the catalogue"


def _query(arm: ModelArm) -> ModelChoice:
    return ModelChoice(where=arm.where or "", prefer=arm.prefer)
