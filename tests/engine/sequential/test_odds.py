"""The odds ratio of two arms over looks."""

import pytest

from trimtab.engine.sequential.look import SharePair
from trimtab.engine.sequential.odds import OddsRatio


def fed(*looks: SharePair) -> OddsRatio:
    ratio = OddsRatio()
    for look in looks:
        ratio.update(look)
    return ratio


def test_the_ratio_is_that_of_mantel_and_haenszel() -> None:
    """Written out: the sum of a d / n over the sum of b c / n."""
    looks = SharePair(100, 8, 300, 6), SharePair(50, 5, 400, 20)
    against = 8 * 294 / 400 + 5 * 380 / 450
    in_favour = 6 * 92 / 400 + 20 * 45 / 450
    assert fed(*looks).estimate(1.0).value == pytest.approx(against / in_favour)


@pytest.mark.parametrize(
    "looks",
    [(SharePair(30, 2, 50, 1), SharePair(20, 2, 90, 1)), (SharePair(50, 2, 30, 1), SharePair(90, 2, 20, 1))],
)
def test_it_rests_on_the_responses_of_the_arm_that_has_fewer(looks: tuple[SharePair, SharePair]) -> None:
    assert fed(*looks).estimate(1.0).n == 50


@pytest.mark.parametrize(("look", "is_within"), [(SharePair(100, 2, 100, 2), True), (SharePair(100, 3, 100, 2), False),
                                                 (SharePair(100, 0, 100, 0), True)])  # fmt: skip
def test_a_ratio_at_its_margin_is_within(look: SharePair, *, is_within: bool) -> None:
    assert fed(look).estimate(1.0).is_within is is_within


def test_to_peek_is_to_update_without_a_trace() -> None:
    first, peek = SharePair(100, 8, 300, 6), SharePair(50, 5, 400, 20)
    ratio = fed(first)
    assert ratio.estimate(1.0, peek) == fed(first, peek).estimate(1.0)
    assert ratio.estimate(1.0) == fed(first).estimate(1.0)


@pytest.mark.parametrize("peek", [SharePair(50, 5, 0, 0), SharePair(0, 0, 50, 5)])
def test_a_peek_at_one_arm_alone_says_nothing(peek: SharePair) -> None:
    ratio = fed(SharePair(100, 8, 300, 6))
    assert ratio.estimate(1.0, peek) == ratio.estimate(1.0)


def test_without_breaches_of_the_baseline_there_is_no_ratio() -> None:
    estimate = fed(SharePair(100, 8, 300, 0)).estimate(2.0)
    assert (estimate.value, estimate.limit, estimate.is_within) == (None, 2.0, False)


def test_a_ratio_continues_from_a_snapshot() -> None:
    ratio, restored = fed(SharePair(100, 8, 300, 6)), OddsRatio()
    restored.restore(ratio.snapshot())
    for one in (ratio, restored):
        one.update(SharePair(50, 5, 400, 20))
    assert restored.snapshot() == ratio.snapshot()
