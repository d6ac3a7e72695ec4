"""Windows of one variant, made of what happened in them."""

from collections.abc import Mapping, Sequence

from engine.builders import sketch_of
from trimtab.engine.window import ArmWindow
from trimtab.schemas.evidence import COUNTS, VALUE_SCALE


def window(
    *, durations_ms: Sequence[float] = (), values: Mapping[str, Sequence[float]] | None = None, **counts: int
) -> ArmWindow:
    """A window with these counts by their names in `COUNTS`; a response for each duration, where there are any."""
    counted = {"responses": len(durations_ms), **counts}
    assert set(counted) <= set(COUNTS)
    sums = {
        metric: (len(of), round(sum(of) * VALUE_SCALE), round(sum(value**2 for value in of) * VALUE_SCALE))
        for metric, of in (values or {}).items()
    }
    cells = [counted.get(name, 0) for name in COUNTS]
    return ArmWindow(cells, sums, sketch_of([round(1000 * duration) for duration in durations_ms]))
