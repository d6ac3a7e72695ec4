"""Models from MLflow's registry, and to it: versions with their runs, data, aliases and tags.

What MLflow has no field for stands in tags: `trimtab.environment` and `trimtab.region` (names with commas between),
`trimtab.privacy`, `trimtab.licence`, `trimtab.blessed` (`true`), and of versions that we wrote `trimtab.version`, for
MLflow numbers them itself, and `trimtab.revoked` with the reason. All other tags are tags.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from trimtab.catalog.entry import Entry
from trimtab.catalog.figure import is_possible
from trimtab.catalog.node import MAX_TAGS, Model, Node, parse_node
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.model_term import METRIC

_PREFIX: Final = "trimtab."
_LISTS: Final = ("environment", "region")
_WORDS: Final = ("privacy", "licence")
_MOST_VALUE: Final = 1_000
_PAGE: Final = 200
_RETRIES: Final = 2
_GONE: Final = "RESOURCE_DOES_NOT_EXIST"

T = TypeVar("T")


class Imported(NamedTuple):
    """What a registry has."""

    nodes: list[Node]
    """models, with the runs, parameters and datasets that they rest on"""
    left_out: list[str]
    """what could not be taken over, and why, a line each"""
    gone: list[Node]
    """runs that models name and MLflow has no more: only for a catalogue that does not know them either"""


class Registry:
    """A registry of MLflow, by its address: `http://host:5000`."""

    def __init__(self, uri: str) -> None:
        """Nothing is asked yet."""
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():  # MLflow's own seven take minutes, without a word
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(_RETRIES)
        self._uri = uri
        self._client: Any = self._asked(lambda: MlflowClient(tracking_uri=uri, registry_uri=uri))

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except MlflowException as error:
            raise Unreachable(f"mlflow at {self._uri}: {error}") from error

    def read(self) -> Imported:
        """Gives all versions of all models. Raises `Unreachable` where the registry does not answer."""
        found: dict[str, Node] = {}
        gone: dict[str, Node] = {}
        left_out: list[str] = []
        for version, aliases in self._versions():
            run = self._run(version)
            if version.run_id and run is None:
                stand_in = parse_node({"kind": "run", "name": version.run_id, "uri": f"runs:/{version.run_id}"})
                gone[stand_in.ref] = stand_in
                left_out.append(f"run {version.run_id} of {version.name} {version.version}: MLflow has it no more")
            for document in _documents(version, aliases, run, left_out):
                try:
                    node = parse_node(document)
                except ValidationError as error:
                    what = error.errors()[0]
                    why = what.get("ctx", {}).get("error", what["msg"])
                    left_out.append(f"{document['kind']} {document['name']!r:.80}: {what['loc'][-1]}: {why}")
                    break  # what rests on it is left out, too
                if isinstance(node, Model) and node.ref in found:
                    left_out.append(f"{version.name} {version.version}: another version says that it is {node.ref}")
                found.setdefault(node.ref, node)
        return Imported(list(found.values()), left_out, list(gone.values()))

    def _versions(self) -> Iterator[tuple[Any, list[str]]]:
        """Gives versions with their aliases, by name and number."""
        models = self._asked(partial(_all, self._client.search_registered_models))
        for model in sorted(models, key=lambda one: one.name):
            query = f"name = '{model.name}'"
            versions = self._asked(partial(_all, self._client.search_model_versions, query))
            for version in sorted(versions, key=lambda one: int(one.version)):
                named = [alias for alias, number in model.aliases.items() if int(number) == int(version.version)]
                yield version, sorted(named)

    def _run(self, version: Any) -> Any | None:
        """Gives the run that made a version; None where there is none, or none any more."""
        if not version.run_id:
            return None
        try:
            return self._client.get_run(version.run_id)
        except MlflowException as error:
            if error.error_code == _GONE:
                return None
            raise Unreachable(f"mlflow at {self._uri}: {error}") from error  # nobody knows what it is: not its absence

    def write(self, entries: Iterable[Entry]) -> list[str]:
        """Brings models into the registry, with tags and aliases, and gives a line for each that was made or changed.

        A version that is there already is known by its tag `trimtab.version`, or by its number.
        """
        return [self._asked(partial(self._write, entry)) for entry in entries if isinstance(entry.node, Model)]

    def _write(self, entry: Entry) -> str:
        model = entry.node
        assert isinstance(model, Model)  # noqa: S101 - for mypy; `write` asks
        try:
            self._client.get_registered_model(model.name)
        except MlflowException:
            self._client.create_registered_model(model.name)
        version = self._known(model)
        is_new = version is None
        if version is None:
            source = model.uri or f"trimtab:/{model.name}/{model.version}"
            version = self._client.create_model_version(model.name, source=source, description=model.description)
        tags = _tags(entry)
        for name, value in tags.items():
            self._client.set_model_version_tag(model.name, str(version.version), name, value)
        for name in version.tags.keys() - tags.keys():
            if name.startswith(_PREFIX):
                self._client.delete_model_version_tag(model.name, str(version.version), name)
        for alias in model.aliases:
            self._client.set_registered_model_alias(model.name, alias, str(version.version))
        return f"{model.ref} {'created' if is_new else 'configured'} as version {version.version}"

    def _known(self, model: Model) -> Any | None:
        versions = _all(self._client.search_model_versions, f"name = '{model.name}'")
        by_tag = [one for one in versions if one.tags.get(f"{_PREFIX}version") == model.version]
        untagged = [one for one in versions if f"{_PREFIX}version" not in one.tags]
        return next(iter([*by_tag, *(one for one in untagged if str(one.version) == model.version)]), None)


def _all(search: Callable[..., Any], *query: str) -> list[Any]:
    """Gives what all pages of a search have."""
    found, token = [], None
    while True:
        page = search(*query, max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _documents(version: Any, aliases: list[str], run: Any | None, left_out: list[str]) -> Iterator[dict[str, Any]]:
    """Gives a version of a model, after what it rests on."""
    figures: list[dict[str, Any]] = []
    if run is not None:
        yield from _of_run(run)
        figures = list(_figures(run, f"{version.name} {version.version}", left_out))
    tags = {str(name): str(value) for name, value in version.tags.items()}
    own = {name.removeprefix(_PREFIX): tags.pop(name) for name in list(tags) if name.startswith(_PREFIX)}
    yield {
        "kind": "model", "name": version.name, "version": own.get("version", str(version.version)),
        "description": (version.description or "")[:2_000], "aliases": aliases, "tags": _short(tags),
        "uri": version.source or "", "blessed": own.get("blessed", "").lower() == "true",
        "restsOn": [f"run/{version.run_id}"] if version.run_id else [], "performance": figures,
        **{name: [word.strip() for word in own[name].split(",") if word.strip()] for name in _LISTS if name in own},
        **{name: own[name] for name in _WORDS if own.get(name)},
    }  # fmt: skip


def _of_run(run: Any) -> Iterator[dict[str, Any]]:
    rests_on = []
    for given in run.inputs.dataset_inputs if run.inputs else []:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{given.dataset.name}-{given.dataset.digest}")
        yield {"kind": "dataset", "name": name, "uri": (given.dataset.source or "")[:_MOST_VALUE]}
        rests_on.append(f"dataset/{name}")
    if run.data.params:
        values = {str(name): str(value) for name, value in run.data.params.items()}
        yield {"kind": "parameters", "name": run.info.run_id, "values": values}
        rests_on.append(f"parameters/{run.info.run_id}")
    yield {
        "kind": "run", "name": run.info.run_id, "description": run.info.run_name or "", "restsOn": rests_on,
        "uri": f"runs:/{run.info.run_id}", "startedS": (run.info.start_time or 0) // 1000,
    }  # fmt: skip


def _figures(run: Any, of: str, left_out: list[str]) -> Iterator[dict[str, Any]]:
    """Gives those figures whose names can be made ours: `val/Accuracy` is `val_accuracy`."""
    time_s = (run.info.end_time or run.info.start_time or 0) // 1000
    for name, value in run.data.metrics.items():
        metric = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        if re.fullmatch(METRIC, metric) and is_possible(metric, value):
            yield {"metric": metric, "value": value, "timeS": time_s}
        else:
            left_out.append(f"figure {name} of {of}: {value:g}")


def _short(tags: dict[str, str]) -> dict[str, str]:
    return {name: value[:_MOST_VALUE] for name, value in sorted(tags.items())[:MAX_TAGS]}


def _tags(entry: Entry) -> dict[str, str]:
    model = entry.node
    assert isinstance(model, Model)  # noqa: S101 - for mypy; `write` asks
    own = {
        "version": model.version, "environment": ",".join(model.environment), "region": ",".join(model.region),
        "privacy": model.privacy or "", "licence": model.licence, "blessed": "true" if model.blessed else "",
        "revoked": entry.revoked.reason if entry.revoked else "",
    }  # fmt: skip
    return {**model.tags, **{f"{_PREFIX}{name}": value for name, value in own.items() if value}}
