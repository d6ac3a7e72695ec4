"""Policies that users bring: Python entry points of the group `trimtab.policies`.

Found once, when a worker starts, and handed to the engine, which loads nothing by itself. All workers of a group must
have the same packages: a decision is only replayed alike by the same policy. One that cannot be imported, or two of one
name, stop the worker before it takes any evidence.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from trimtab.engine.policy.build import Factories
from trimtab.engine.policy.guest import PolicyFactory
from trimtab.schemas.policy import POLICIES


def guest_policies(found: Iterable[EntryPoint] | None = None) -> Factories:
    """Gives the factories by name; `found` are the installed entry points where it is absent.

    Raises `ValueError` where two have one name, `TypeError` where one is nothing to be called, and `ImportError` or
    `AttributeError` where one leads to nothing.
    """
    factories: dict[str, PolicyFactory] = {}
    for entry in entry_points(group=POLICIES) if found is None else found:
        if entry.name in factories:
            raise ValueError(f"entry points of {POLICIES}: {entry.name!r} stands twice, also as {entry.value}")
        factory = entry.load()
        if not callable(factory):
            raise TypeError(
                f"entry point {entry.name} of {POLICIES}: expected a factory of policies, got {factory!r:.80}"
            )
        factories[entry.name] = factory
    return factories
