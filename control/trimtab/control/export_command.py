"""`trimtab export`: weights for model servers on Kubernetes."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import FAILED, USAGE, Config, RedisUrl, fail, fail_to_reach, settings_in_force
from trimtab.control.models_options import Catalog, catalogue
from trimtab.control.output import TreeFormat, write
from trimtab.control.release_name import Name
from trimtab.schemas.errors import InvalidRecord, Unreachable

if TYPE_CHECKING:
    from trimtab.schemas.decision import Decision
    from trimtab.schemas.release import Release

Output = Annotated[TreeFormat, typer.Option("--output", "-o", help="How to write it.")]


def export_kserve(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    service: Annotated[str, typer.Option(metavar="NAME", help="Of the InferenceService; else the release's.")] = "",
    storage_uri: Annotated[
        str, typer.Option(metavar="URI", help="Of the candidate's model; else the catalogue's.")
    ] = "",
    model_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="Such as sklearn; else the model's tag `format`.")
    ] = "",
    redis: RedisUrl = "",
    catalog: Catalog = "",
    config: Config = None,
    output: Output = TreeFormat.YAML,
) -> None:
    """Print a KServe InferenceService with the newest weight of the candidate, in whole percent.

    Example: trimtab export kserve digits | kubectl apply -f -
    """
    from trimtab.control.serving_export import NotExportable, kserve

    release, decision = _found(name, redis, config)
    if not (storage_uri and model_format):
        uri, its_format = _of_candidate(release, catalog, config)
        storage_uri, model_format = storage_uri or uri, model_format or its_format
    if not storage_uri or not model_format:
        fail("expected --storage-uri and --format, or a candidate that is a model with a uri and a tag `format`", USAGE)
    try:
        made = kserve(release, decision, storage_uri=storage_uri, model_format=model_format, service=service)
    except NotExportable as error:
        fail(str(error), FAILED)
    _warn(release, decision)
    write(made, output)


def export_seldon(
    name: Name,
    *,
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Of the Experiment; else the release's.")] = "",
    redis: RedisUrl = "",
    config: Config = None,
    output: Output = TreeFormat.YAML,
) -> None:
    """Print a Seldon Experiment with the newest weights of all variants.

    Example: trimtab export seldon digits | kubectl apply -f -
    """
    from trimtab.control.serving_export import NotExportable, seldon

    release, decision = _found(name, redis, config)
    try:
        made = seldon(release, decision, experiment=experiment)
    except NotExportable as error:
        fail(str(error), FAILED)
    _warn(release, decision)
    write(made, output)


def _warn(release: "Release", decision: "Decision") -> None:
    from trimtab.control.serving_export import left_out

    for line in left_out(release, decision):
        typer.echo(f"warning: {line}", err=True)


def _found(name: str, redis: str, config: Path | None) -> "tuple[Release, Decision]":
    from trimtab.control.release_view import Releases
    from trimtab.schemas.release import parse_document

    try:
        view = Releases(settings_in_force(config, redis=redis).redis).get(name, {})
    except InvalidRecord as error:
        fail(f"release {name}: {error}", FAILED)
    except Unreachable as error:
        fail_to_reach(error)
    if view is None:
        fail(f"no release {name!r}", FAILED)
    return parse_document(view.document), view.decision


def _of_candidate(release: "Release", catalog: str, config: Path | None) -> tuple[str, str]:
    """Gives address and format of the first candidate that is a model; nothing where none is."""
    from trimtab.catalog.node import Model

    variants = [variant for variant in release.spec.variants if variant.name != release.spec.baseline]
    model = next((variant.model.model for variant in variants if variant.model and variant.model.model), None)
    if model is None:
        return "", ""
    with catalogue(catalog, config) as store:
        node = store.entry(model).node
    return (node.uri, node.tags.get("format", "")) if isinstance(node, Model) else ("", "")
