"""Label selectors: `team=payments,tier!=free,canary`."""

from collections.abc import Callable, Mapping

from trimtab.control.command import USAGE, fail

Selector = Callable[[Mapping[str, str]], bool]
"""Gives whether a release with these labels is wanted."""


def parse_selector(text: str) -> Selector:
    """Gives the selector; the empty one wants everything. Ends the command for what is none."""
    terms = [_term(part.strip()) for part in text.split(",")] if text else []
    return lambda labels: all(term(labels) for term in terms)


def _term(text: str) -> Selector:
    name, unequal, value = text.partition("!=")
    if unequal:
        _check(name, text)
        return lambda labels: labels.get(name) != value
    name, equal, value = text.partition("=")
    _check(name, text)
    value = value.removeprefix("=")
    return (lambda labels: labels.get(name) == value) if equal else (lambda labels: name in labels)


def _check(name: str, text: str) -> None:
    if not name:
        fail(f"--selector: expected NAME=VALUE, NAME!=VALUE or NAME, got {text!r}", USAGE)
