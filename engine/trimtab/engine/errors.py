"""Errors of the engine: always a fault of ours, so they stop the worker that meets them."""

from trimtab.schemas.errors import TrimtabError


class EngineError(TrimtabError):
    """An invariant of the engine does not hold, or a snapshot is not one of ours."""
