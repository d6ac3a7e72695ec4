"""Arithmetic that a decision cannot wait for in Python, compiled to machine code by Numba.

Without `fastmath`: additions and multiplications stay in the order in which they are written, so that replay gives the
same bits. Compiled code is kept beside its source or in the user's cache, and compiled anew in every process where
neither can be written to.
"""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS: Final = {"error_model": "numpy"}
"""A division by zero gives inf or nan, as in NumPy, and not an exception that every loop would have to be ready for."""


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Gives `function` compiled at its first call: numbers, tuples and NumPy arrays in, the same out."""
    kept: Callable[P, R]
    try:
        kept = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # nowhere to keep it
        kept = numba.njit(**_OPTIONS)(function)
    return kept
