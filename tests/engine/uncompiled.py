"""A plugin for pytest (`-p engine.uncompiled`): compiled arithmetic runs as Python, so that its lines can be seen.

What a caller outside gets is as Numba gives it: plain numbers, inf and nan in place of warnings.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
import pytest
from hypothesis import settings

_SLOW: Final = (
    "test_adaptive.py::test_shares_sum_to_one_over_eligible_arms_and_are_positive_there",
    "test_adaptive.py::test_huge_batches_of_equal_arms_leave_every_arm_its_floor",
    "test_adaptive.py::test_a_restored_snapshot_continues_bit_by_bit",
    "test_adaptive.py::test_the_order_of_arms_does_not_matter",
    "test_bandit.py::test_most_traffic_goes_to_the_better_arm",
    "test_every_test.py::test_extreme_looks_stay_finite",
    "test_planning.py::test_looking_at_all_times_needs_more_but_never_less_than_intervals_do",
    "test_scaling.py::test_ten_million_responses_are_judged_at_once",
    "test_winner.py::test_a_winner_has_the_best_mean_and_beats_all_others",
)
"""Take minutes as Python, and reach no line that others do not."""


def _as_python(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*arguments: Any) -> Any:
        global _depth  # noqa: PLW0603 - how deep calls of compiled functions by each other are nested
        _depth += 1
        try:
            with np.errstate(all="ignore"):
                result = function(*arguments)
        finally:
            _depth -= 1
        return result if _depth else _plain(result)

    return called


_depth = 0


def _plain(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple(_plain(part) for part in result)
    return result.item() if isinstance(result, np.generic) else result


def _njit(*, cache: bool = False, **_: object) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if cache and not Path(function.__code__.co_filename).exists():
            raise RuntimeError("no place to keep it, as Numba says")
        return _as_python(function)

    return decorate


numba.njit = _njit


def pytest_addoption(parser: pytest.Parser) -> None:
    help_ = "bounds the examples of every test by Hypothesis: most lines are reached by the first few"
    parser.getgroup("trimtab").addoption("--most-examples", type=int, metavar="N", help=help_)


def pytest_configure(config: pytest.Config) -> None:
    most = config.getoption("most_examples")
    if most is not None:
        settings.register_profile("bounded", settings(max_examples=most))
        settings.load_profile("bounded")
        settings.__init__ = _bounded(settings.__init__, most)  # type: ignore[method-assign]  # before tests are read


def _bounded(make: Callable[..., None], most: int) -> Callable[..., None]:
    @functools.wraps(make)
    def bounded(made: settings, *parent: settings, **asked: Any) -> None:
        if "max_examples" in asked:
            asked["max_examples"] = min(asked["max_examples"], most)
        make(made, *parent, **asked)

    return bounded


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what takes long."""
    left_out = [item for item in items if any(name in item.nodeid for name in _SLOW)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
