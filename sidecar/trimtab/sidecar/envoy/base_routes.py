"""A route table that the user has: routes of releases are put before its own, and take over what it says of theirs.

* The routes of releases come first in one of its virtual hosts: that which is named, or the only one.
* A route of the user's with the prefix of a release is what the release's routes are made after: timeout, retries,
  rewrites, whatever it says of its action. Itself it stays behind them, and takes what the release leaves.
* All else stays as it is. The table is served under our name, and Envoy is to check its clusters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from envoy.config.route.v3.route_components_pb2 import RouteAction, VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.json_format import ParseDict, ParseError

_SPLITS: Final = ("cluster", "cluster_header", "weighted_clusters", "cluster_specifier_plugin",
                  "inline_cluster_specifier_plugin")  # fmt: skip


class BaseRoutes:
    """The user's table. Raises `ValueError`, with the file's name, for what cannot be one."""

    def __init__(self, document: Mapping[str, Any], virtual_host: str = "", *, what: str = "routes") -> None:
        try:
            self._table = ParseDict(document, RouteConfiguration())
        except ParseError as error:
            raise ValueError(f"{what}: not a RouteConfiguration: {error}") from None
        names = [host.name for host in self._table.virtual_hosts]
        if virtual_host and names.count(virtual_host) != 1:
            raise ValueError(f"{what}: expected one virtual host {virtual_host!r}, it has {', '.join(names) or 'none'}")
        if not virtual_host and len(names) != 1:
            raise ValueError(f"{what}: expected the name of a virtual host, it has {', '.join(names) or 'none'}")
        self._host = virtual_host or names[0]

    def merged(self, ours: RouteConfiguration) -> RouteConfiguration:
        """Gives the table with the routes of `ours` in it."""
        table = RouteConfiguration()
        table.CopyFrom(self._table)
        table.name = ours.name
        table.validate_clusters.value = True
        [host] = [one for one in table.virtual_hosts if one.name == self._host]
        own, models = list(host.routes), _models(host)
        del host.routes[:]
        for route in ours.virtual_hosts[0].routes:
            added = host.routes.add()
            added.CopyFrom(route)
            model = models.get(route.match.prefix)
            if model is not None and route.HasField("route"):
                added.route.CopyFrom(model)
                added.route.MergeFrom(route.route)
        host.routes.extend(own)
        return table


def _models(host: VirtualHost) -> dict[str, RouteAction]:
    """Gives, by prefix, what the user says of the action of routes with it, but for where they lead."""
    models: dict[str, RouteAction] = {}
    for route in host.routes:
        if route.match.WhichOneof("path_specifier") == "prefix" and route.HasField("route"):
            model = RouteAction()
            model.CopyFrom(route.route)
            for field in _SPLITS:
                model.ClearField(field)
            models.setdefault(route.match.prefix, model)
    return models


def read_base_routes(file: Path, virtual_host: str = "") -> BaseRoutes:
    """Gives the table in a file, YAML or JSON. Raises `ValueError` for what cannot be one, `OSError` for no file."""
    try:
        document = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not YAML: {error}") from error
    if not isinstance(document, Mapping):
        raise ValueError(f"{file}: expected a RouteConfiguration, got {type(document).__name__}")  # noqa: TRY004 - a value
    return BaseRoutes(document, virtual_host, what=str(file))
