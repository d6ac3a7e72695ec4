"""Refusal of a name that does not exist: what came, what exists, and the nearest of it."""

from collections.abc import Iterable
from difflib import get_close_matches


def known(name: str, existing: Iterable[str], *, what: str) -> str:
    """Gives `name` back where it exists; raises `ValueError` with all that does, and the nearest name.

    >>> known("thomson", ["thompson", "ucb"], what="a policy")
    Traceback (most recent call last):
    ValueError: expected a policy out of thompson, ucb; got 'thomson'; did you mean thompson?
    """
    names = list(existing)
    if name in names:
        return name
    raise ValueError(f"expected {what} out of {', '.join(names) or '(none)'}; got {name!r:.80}{near(name, names)}")


def near(name: str, existing: Iterable[str]) -> str:
    """Gives a question for the nearest of `existing`, to end a message with; empty where none is near.

    >>> near("Erors", ["errors", "responses"])
    '; did you mean errors?'
    """
    by_lower = {each.lower(): each for each in existing}
    nearest = get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean {by_lower[nearest[0]]}?" if nearest else ""
