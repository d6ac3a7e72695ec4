"""Where weights stand in an HTTPRoute and in a VirtualService, and the JSON Patch that brings them there.

The patch names what it changes: before each weight is a test that the backend at this place still has its name. So a
list that somebody has reordered meanwhile is refused by the API server as a whole, and never given another's weight.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trimtab.sidecar.follower import NotTaken

Object = Mapping[str, Any]
"""An object of Kubernetes, as its API gives it"""
Operation = dict[str, Any]
"""Of a JSON Patch (RFC 6902)"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of object that splits traffic."""

    kind: str
    group: str
    version: str
    plural: str
    rules: str
    """the list of rules in `spec`"""
    backends: str
    """the list of backends in a rule"""
    name: tuple[tuple[str, ...], ...]
    """where in a backend its name stands; with several, the parts of a target that has a / between them"""


HTTP_ROUTE: Final = Shape(
    "HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", "rules", "backendRefs", (("name",),)
)
VIRTUAL_SERVICE: Final = Shape(
    "VirtualService", "networking.istio.io", "v1", "virtualservices", "http", "route",
    (("destination", "host"), ("destination", "subset")),
)  # fmt: skip


def patch_of(shape: Shape, found: Object, weights: Mapping[str, int]) -> list[Operation]:
    """Gives what brings `weights` (target -> weight) into an object; nothing where it has them.

    They go into every rule that has all of the targets. Raises `NotTaken` where there is none, and for a rule that has
    other backends beside them, whose shares nobody decides on.
    """
    rules = found.get("spec", {}).get(shape.rules) or []
    operations: list[Operation] = []
    is_there = False
    for place, rule in enumerate(rules):
        backends = rule.get(shape.backends) or []
        names = [_name(shape, backend, weights) for backend in backends]
        if not set(weights) <= set(names):
            continue
        if len(names) != len(weights):
            others = ", ".join(name for name in names if name not in weights) or "one of them twice"
            raise NotTaken(f"{_title(shape, found)}: rule {place} has other backends than the release: {others}")
        is_there = True
        for at, (backend, name) in enumerate(zip(backends, names, strict=True)):
            path = f"/spec/{shape.rules}/{place}/{shape.backends}/{at}"
            operations += _operations(shape, path, backend, weights[name])
    if not is_there:
        raise NotTaken(f"{_title(shape, found)}: no rule has {', '.join(weights)}; {_what_rules_have(shape, rules)}")
    return operations if any(one["op"] != "test" for one in operations) else []


def _operations(shape: Shape, path: str, backend: Object, weight: int) -> Iterator[Operation]:
    for keys in shape.name:
        value = _at(backend, keys)
        if value is not None:
            yield {"op": "test", "path": "/".join([path, *keys]), "value": value}
    if backend.get("weight") != weight:
        yield {"op": "add", "path": f"{path}/weight", "value": weight}  # of a member that is there it replaces it


def _name(shape: Shape, backend: Object, wanted: Iterable[str]) -> str:
    """Gives the target that a backend is: all parts of its name, or the first one where a target is just that."""
    parts = [part for keys in shape.name if (part := _at(backend, keys)) is not None]
    whole = "/".join(parts)
    return parts[0] if parts and whole not in wanted and parts[0] in wanted else whole


def _at(backend: Object, keys: Sequence[str]) -> str | None:
    value: Any = backend
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def _title(shape: Shape, found: Object) -> str:
    metadata = found.get("metadata", {})
    return f"{shape.kind} {metadata.get('namespace')}/{metadata.get('name')}"


def _what_rules_have(shape: Shape, rules: Sequence[Object]) -> str:
    had = [", ".join(_name(shape, one, ()) for one in rule.get(shape.backends) or []) or "none" for rule in rules]
    return f"its rules have {'; '.join(had)}" if had else "it has no rules"


def scaled(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """Gives weights that sum to `total`, by largest remainder; of equal remainders the first.

    What is above 0 stays so where there is room for all of it: a variant without traffic is never judged.

    >>> scaled({"v1": 9_990, "v2": 10}, 100)
    {'v1': 99, 'v2': 1}
    >>> scaled({"v1": 3_333, "v2": 3_333, "v3": 3_334}, 100)
    {'v1': 33, 'v2': 33, 'v3': 34}
    """
    whole = sum(weights.values())
    shares = {name: divmod(weight * total, whole) for name, weight in weights.items()}
    given = {name: share for name, (share, _) in shares.items()}
    most = sorted(shares, key=lambda name: -shares[name][1])
    for name in most[: total - sum(given.values())]:
        given[name] += 1
    for name in [name for name, weight in weights.items() if weight and not given[name]]:
        largest = max(given, key=lambda one: given[one])
        if given[largest] > 1:
            given[largest] -= 1
            given[name] = 1
    return given
