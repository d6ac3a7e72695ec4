from collections.abc import Callable

import pytest

from trimtab.schemas.errors import Refused, Unreachable
from trimtab.streams.reach import wait_for


def failing(*errors: Unreachable) -> Callable[[float], object]:
    """A server that fails so in turn, and then always as the last time."""
    left = list(errors)

    def attempt(_: float) -> None:
        raise left.pop(0) if left[1:] else left[0]

    return attempt


def test_a_refusal_is_told_though_a_later_try_had_no_answer() -> None:
    with pytest.raises(Refused, match="wrong password"):
        wait_for("kafka", failing(Refused("wrong password"), Unreachable("no answer")), 0.3)


def test_the_last_of_several_silences_is_told() -> None:
    with pytest.raises(Unreachable, match="no answer"):
        wait_for("kafka", failing(Unreachable("no answer")), 0.0)
