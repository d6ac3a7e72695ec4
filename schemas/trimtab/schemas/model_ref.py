"""Names of what the models' catalogue knows: `model/digits:2`, `dataset/clicks-2026-10`.

A reference is a kind, a slash and a name. A model's name ends in a colon and its version. Where a model is expected,
the kind may be left out.
"""

import re
from enum import StrEnum
from typing import Final, NewType

from trimtab.schemas.nearest import near

ModelRef = NewType("ModelRef", str)
"""A reference in full, of whichever kind."""


class Kind(StrEnum):
    """What the catalogue knows of."""

    PROJECT = "project"
    DATASET = "dataset"
    FEATURESET = "featureset"
    PARAMETERS = "parameters"
    RUN = "run"
    MODEL = "model"
    DEPLOYMENT = "deployment"


MAX_NAME: Final = 120
NAME: Final = rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}"
_NAME: Final = re.compile(NAME)


def ref(kind: Kind, name: str, version: str = "") -> ModelRef:
    """Gives a reference; nothing is checked."""
    return ModelRef(f"{kind}/{name}:{version}" if version else f"{kind}/{name}")


def kind_of(reference: str) -> Kind:
    """Gives the kind of a reference in full."""
    return Kind(reference.partition("/")[0])


def parse_ref(text: str, default: Kind = Kind.MODEL) -> ModelRef:
    """Gives the reference that `text` is. Raises `ValueError` for what is none.

    >>> parse_ref("digits:2"), parse_ref("dataset/clicks")
    ('model/digits:2', 'dataset/clicks')
    >>> parse_ref("datset/clicks")
    Traceback (most recent call last):
    ValueError: expected KIND/NAME with one of project, dataset, featureset, parameters, run, model, deployment as its \
kind, got 'datset/clicks'; did you mean dataset?
    """
    first, slash, rest = text.partition("/")
    kind, name = (first, rest) if slash else (str(default), text)
    if kind not in list(Kind):
        kinds = ", ".join(Kind)
        raise ValueError(f"expected KIND/NAME with one of {kinds} as its kind, got {text!r:.80}{near(kind, Kind)}")
    name, colon, version = name.partition(":")
    if kind == Kind.MODEL and not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
        raise ValueError(f"expected a model as NAME:VERSION, of letters, digits, dots, - and _; got {text!r:.80}")
    if kind != Kind.MODEL and (colon or not _NAME.fullmatch(name)):
        raise ValueError(f"expected the name of a {kind}, of letters, digits, dots, - and _; got {text!r:.80}")
    return ref(Kind(kind), name, version)
