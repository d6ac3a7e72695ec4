"""What is compiled before a worker starts."""

from collections.abc import Callable
from pathlib import Path

from trimtab.engine import warm as warming
from trimtab.engine.compiled import compiled
from trimtab.engine.warm import warm


def double(number: float) -> float:
    return number * 2.0


def test_warming_up_steers_through_every_kernel_and_changes_nothing() -> None:
    warm()
    warm()


def test_what_cannot_be_kept_is_compiled_all_the_same() -> None:
    """A function without a file of its own has no place to be kept at."""
    scope: dict[str, object] = {}
    exec(compile("def triple(number):\n    return number * 3.0\n", "<nowhere>", "exec"), scope)  # noqa: S102 - our own
    triple: Callable[[float], float] = compiled(scope["triple"])  # type: ignore[arg-type]  # made from text
    assert (triple(2.0), compiled(double)(2.0)) == (6.0, 4.0)


def test_it_can_be_called_by_name_for_images() -> None:
    dockerfile = (Path(__file__).parents[2] / "deploy" / "Dockerfile").read_text()
    assert f"-m {warming.__name__}" in dockerfile
