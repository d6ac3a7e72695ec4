"""What is routed by in place of weights that are past their age, where the release file says `then: baseline`."""

from msgspec.structs import replace

from trimtab.schemas.decision import Phase, WeightsRecord
from trimtab.schemas.ids import BASIS_POINTS


def falls_back(record: WeightsRecord) -> bool:
    """Whether all goes to the baseline once `record` is past its age.

    Of a release that is over nobody moves the weights any more, and nobody has to stand behind them: the baseline of
    one that was promoted may be gone. What is frozen is held whatever happens.
    """
    return record.stale_then == "baseline" and not record.phase.is_over and record.phase is not Phase.FROZEN


def on_baseline(record: WeightsRecord) -> WeightsRecord:
    """Gives the same revision with all weight on the baseline: no claims, no segments of their own, no copies.

    Of an ensemble the baseline answers alone.
    """
    return replace(
        record, weights={variant: BASIS_POINTS * (variant == record.baseline) for variant in record.weights},
        segments={}, claims=[], mirror={}, ensemble=None, fallback="baseline",
        ranges={"": [(record.baseline, BASIS_POINTS)]} if record.ranges else {},
    )  # fmt: skip
