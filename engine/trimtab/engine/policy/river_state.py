"""The state of River's objects as plain data, instead of pickled bytes: reading a snapshot back runs no code.

An object is written down attribute by attribute, and read back into one that was made anew with the same settings.
Numbers, dictionaries with texts as keys and other objects of River are its state. The rest is left out because it
cannot change an answer: settings that are none of these, and generators of random numbers with the seeds they were
made with, for each decision seeds them before they draw.
"""

from collections.abc import Mapping
from typing import Any

Plain = int | float | dict[str, Any]


def dump(thing: Any) -> Plain:
    """Gives the state of a number, a dictionary or an object of River.

    >>> from river.stats import Mean
    >>> mean = Mean()
    >>> mean.update(3.0)
    >>> dump(mean)
    {'n': 1.0, '_mean': 3.0}
    """
    if isinstance(thing, int | float):
        return thing
    items = thing if isinstance(thing, Mapping) else vars(thing)
    return {str(name): dump(item) for name, item in items.items() if name != "seed" and _is_state(item)}


def load(thing: Any, state: Mapping[str, Any]) -> None:
    """Puts `state` of an object like it into `thing`, which is as it was made.

    >>> from river.stats import Mean
    >>> mean = Mean()
    >>> load(mean, {"n": 1.0, "_mean": 3.0})
    >>> mean.get()
    3.0
    """
    items = thing if isinstance(thing, dict) else vars(thing)
    for name, item in state.items():
        if isinstance(item, Mapping):
            load(items[name], item)  # dictionaries of arms make those that are new
        else:
            items[name] = item


def _is_state(item: object) -> bool:
    return isinstance(item, int | float | Mapping) or type(item).__module__.startswith("river.")
