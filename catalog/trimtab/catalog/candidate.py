"""A version of a model as a choice sees it: what it is made of, read from a row without validating it again."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from trimtab.catalog.entry import Row, Value
from trimtab.schemas.ids import Revision
from trimtab.schemas.model_ref import ModelRef
from trimtab.schemas.model_term import PRIVACY

SERVING: Final = "serving."


class _Model(msgspec.Struct):
    """The fields of `trimtab.catalog.node.Model` that queries read."""

    name: str
    version: str
    aliases: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    privacy: str | None = None
    licence: str = ""
    tags: dict[str, str] = {}
    blessed: bool = False


class _Deployment(msgspec.Struct):
    """The fields of `trimtab.catalog.node.Deployment` that say whose answers are its own."""

    release: str = ""
    variant: str = ""
    since: Revision = (0, 0)


_model: Final = msgspec.json.Decoder(_Model).decode
_deployment: Final = msgspec.json.Decoder(_Deployment).decode


class Candidate(NamedTuple):
    """A version of a model."""

    ref: ModelRef
    name: str
    version: str
    alias: frozenset[str]
    environment: frozenset[str]
    region: frozenset[str]
    licence: str
    """empty where it is not known"""
    privacy: int
    """place in `PRIVACY`; -1 where it is not known"""
    tags: Mapping[str, str]
    blessed: bool
    figures: Mapping[str, float]
    """as queries call them: `accuracy`, `serving.p99_ms[eu]`"""


def candidate_of(row: Row, development: Mapping[str, Value], serving: Mapping[str, Value]) -> Candidate:
    """Gives the candidate that a model's row is."""
    model = _model(row.body)
    figures = {key: value.value for key, value in development.items()}
    figures.update((f"{SERVING}{key}", value.value) for key, value in serving.items())
    return Candidate(
        row.ref, model.name, model.version, model.aliases, model.environment, model.region, model.licence,
        PRIVACY.index(model.privacy) if model.privacy else -1, model.tags, model.blessed, figures,
    )  # fmt: skip


def deployed(row: Row) -> tuple[str, str, Revision]:
    """Gives whose answers are a deployment's own: release, variant, and from which revision on."""
    deployment = _deployment(row.body)
    return deployment.release, deployment.variant, deployment.since
