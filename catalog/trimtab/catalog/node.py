"""Nodes of the catalogue, by kind, and which kinds may rest on which.

What rests on something came from it or needs it: a deployment on its model, a model on the run that made it, a run on
its data. Following that way leads from an answer to its data, and back to whatever rests on them. These rules are here,
and only here; that an edge ends somewhere and that there is no cycle is decided in `graph.py`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, field_validator, model_validator

from trimtab.catalog.figure import LAST_S, MAX_SERIES, MOST, Figure
from trimtab.schemas.ids import NO_REVISION, is_name, is_release_name
from trimtab.schemas.model_ref import MAX_NAME, NAME, Kind, ModelRef, kind_of, parse_ref, ref
from trimtab.schemas.part import Part

RESTS_ON: Final[Mapping[Kind, Mapping[Kind, str]]] = {
    Kind.PROJECT: {},
    Kind.DATASET: {
        Kind.PROJECT: "belongs to", Kind.DATASET: "derives from", Kind.MODEL: "is labelled by", Kind.RUN: "is made by",
    },
    Kind.FEATURESET: {Kind.PROJECT: "belongs to", Kind.DATASET: "is computed from", Kind.MODEL: "is computed by"},
    Kind.PARAMETERS: {Kind.PROJECT: "belongs to"},
    Kind.RUN: {
        Kind.PROJECT: "belongs to", Kind.DATASET: "reads", Kind.FEATURESET: "reads", Kind.PARAMETERS: "is set by",
        Kind.MODEL: "starts from",
    },
    Kind.MODEL: {Kind.PROJECT: "belongs to", Kind.RUN: "is made by", Kind.MODEL: "derives from"},
    Kind.DEPLOYMENT: {Kind.PROJECT: "belongs to", Kind.MODEL: "serves", Kind.FEATURESET: "reads"},
}  # fmt: skip
"""kind -> the kinds that it may rest on, and what the edge means"""

MAX_EDGES: Final = 256
MAX_TAGS: Final = 64
_TAG: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./-]{0,127}")

Privacy = Literal["public", "internal", "confidential", "restricted"]
"""As `trimtab.schemas.model_term.PRIVACY` has them, in their order."""


def _name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise ValueError(f"expected a name of letters, digits, dots, - and _, up to {MAX_NAME}, got {text!r:.80}")
    return text


def _short(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} stands twice")
    return values


def _figures(value: Any) -> Any:
    """Lets a mapping of metrics to values stand for figures of all data."""
    if not isinstance(value, dict):
        return value
    return [{"metric": metric, "value": number} for metric, number in value.items()]


NodeName = Annotated[str, AfterValidator(_name)]
Word = Annotated[str, Field(min_length=1, max_length=128)]
Words = Annotated[tuple[Word, ...], Field(max_length=64), AfterValidator(_short)]
Address = Annotated[str, Field(max_length=1_000)]
Number = Annotated[int, Field(ge=0, le=MOST)]
Figures = Annotated[tuple[Figure, ...], BeforeValidator(_figures), Field(max_length=MAX_SERIES)]


class Node(Part):
    """What all kinds have in common."""

    of: ClassVar[Kind]

    name: NodeName
    description: Annotated[str, Field(max_length=2_000)] = ""
    tags: Annotated[dict[str, Annotated[str, Field(max_length=1_000)]], Field(max_length=MAX_TAGS)] = {}  # noqa: RUF012 - pydantic copies it
    rests_on: Annotated[tuple[str, ...], Field(max_length=MAX_EDGES)] = ()
    """references such as `run/digits-7`: what it came from, or needs"""

    @property
    def ref(self) -> ModelRef:
        """What others call it by."""
        return ref(self.of, self.name)

    @property
    def edges(self) -> tuple[ModelRef, ...]:
        """What it rests on."""
        return tuple(map(ModelRef, self.rests_on))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How well it does, as far as was said with it."""
        return ()

    @field_validator("tags")
    @classmethod
    def _tag_names(cls, tags: dict[str, str]) -> dict[str, str]:
        for name in tags:
            if not _TAG.fullmatch(name):
                raise ValueError(f"expected names of letters, digits, dots, / - and _, got {name!r:.80}")
        return tags

    @field_validator("rests_on")
    @classmethod
    def _may_rest_on(cls, rests_on: tuple[str, ...]) -> tuple[str, ...]:
        refs = tuple(_full(text) for text in rests_on)
        for target in refs:
            if kind_of(target) not in RESTS_ON[cls.of]:
                kinds = ", ".join(RESTS_ON[cls.of]) or "nothing"
                raise ValueError(f"a {cls.of} rests on {kinds}; got {target}")
        return _short(refs)


def _full(text: str) -> str:
    if "/" not in text:
        raise ValueError(f"expected KIND/NAME, such as dataset/clicks or model/digits:2; got {text!r:.80}")
    return str(parse_ref(text))


class Project(Node):
    """What belongs together."""

    of: ClassVar = Kind.PROJECT
    kind: Literal["project"]


class Dataset(Node):
    """Data, as they were at one time."""

    of: ClassVar = Kind.DATASET
    kind: Literal["dataset"]
    privacy: Privacy | None = None
    licence: Annotated[str, Field(max_length=128)] = ""
    region: Words = ()
    """where it may be kept"""
    uri: Address = ""


class FeatureSet(Node):
    """Features as models read them."""

    of: ClassVar = Kind.FEATURESET
    kind: Literal["featureset"]
    features: Annotated[tuple[Word, ...], Field(max_length=10_000)] = ()


class Parameters(Node):
    """What a run was set to."""

    of: ClassVar = Kind.PARAMETERS
    kind: Literal["parameters"]
    values: Annotated[dict[str, str | int | float | bool | None], Field(max_length=1_000)] = {}  # noqa: RUF012 - pydantic copies it


class Run(Node):
    """One training, or whatever else made a model or data."""

    of: ClassVar = Kind.RUN
    kind: Literal["run"]
    uri: Address = ""
    started_s: Annotated[int, Field(ge=0, le=LAST_S)] = 0
    """since the epoch; 0: not known"""


class Model(Node):
    """One version of a model."""

    of: ClassVar = Kind.MODEL
    kind: Literal["model"]
    version: NodeName
    aliases: Words = ()
    """`champion`, `challenger`: of a model's versions one has it, the one that was given it last"""
    environment: Words = ()
    """where it may run: `production`, `staging`"""
    region: Words = ()
    privacy: Privacy | None = None
    """who may see what it tells: the class of the most private data that it may give away"""
    licence: Annotated[str, Field(max_length=128)] = ""
    blessed: bool = False
    """whether somebody, or some check, has found it fit"""
    uri: Address = ""
    performance: Figures = ()
    """in development: a list of figures, or a mapping such as `{accuracy: 0.97, p99_ms: 12}`"""

    @property
    def ref(self) -> ModelRef:
        """What others call it by."""
        return ref(self.of, self.name, self.version)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How well it does in development, as far as was said with it."""
        return self.performance


class Deployment(Node):
    """A model where it answers: which variant of which release, and from which revision of its weights on."""

    of: ClassVar = Kind.DEPLOYMENT
    kind: Literal["deployment"]
    release: Annotated[str, Field(max_length=128)] = ""
    variant: Annotated[str, Field(max_length=128)] = ""
    since: tuple[Number, Number] = NO_REVISION
    """(era, revision) of the first answers that were its own; an earlier deployment of the variant gave those before"""
    environment: Words = ()
    region: Words = ()
    uri: Address = ""
    performance: Figures = ()
    """in service"""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """How well it does in service, as far as was said with it."""
        return self.performance

    @model_validator(mode="after")
    def _answers_for_something(self) -> "Deployment":
        if bool(self.release) != bool(self.variant):
            raise ValueError("release: expected a release and its variant, or neither")
        if self.release and not (is_release_name(self.release) and is_name(self.variant)):
            raise ValueError(f"release: expected names of a release and a variant, got {self.release}, {self.variant}")
        if sum(kind_of(target) is Kind.MODEL for target in self.edges) > 1:
            raise ValueError("restsOn: expected at most one model")
        return self


AnyNode = Annotated[Project | Dataset | FeatureSet | Parameters | Run | Model | Deployment, Field(discriminator="kind")]
_ADAPTER: Final[TypeAdapter[AnyNode]] = TypeAdapter(AnyNode)


def parse_node(document: object) -> AnyNode:
    """Gives the node that plain data, as of a file, are. Raises pydantic's `ValidationError`."""
    return _ADAPTER.validate_python(document, by_alias=True, by_name=False)


def decode_node(body: str | bytes) -> AnyNode:
    """Gives the node of which `encode_node` made `body`. Raises pydantic's `ValidationError` for anything else."""
    return _ADAPTER.validate_json(body)


def encode_node(node: Node) -> str:
    """Gives a node as JSON, without its figures, which are kept apart, and without what is as it is by default."""
    return node.model_dump_json(by_alias=True, exclude={"performance"}, exclude_defaults=True)
