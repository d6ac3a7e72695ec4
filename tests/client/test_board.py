from hypothesis import given
from hypothesis import strategies as st

from trimtab.client.board import Board
from trimtab.schemas.decision import Phase, WeightsRecord

RELEASES = ["checkout", "search"]


def record(release: str, era: int, revision: int) -> WeightsRecord:
    return WeightsRecord(
        release=release, era=era, revision=revision, time_ms=0, phase=Phase.PROGRESSING,
        weights={"v1": 10_000 - revision, "v2": revision}, targets={"v1": "v1", "v2": "v2"},
    )  # fmt: skip


RECORDS = st.lists(st.builds(record, st.sampled_from(RELEASES), st.integers(0, 3), st.integers(0, 5)))


@given(RECORDS, st.randoms(use_true_random=False))
def test_any_order_with_repetitions_ends_with_the_greatest(records: list[WeightsRecord], random: object) -> None:
    shuffled = [*records, *records]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' random has no public type
    board = Board(RELEASES)
    for item in shuffled:
        board.offer(item)
    for release in RELEASES:
        ids = [item.id for item in records if item.release == release and item.id > (0, 0)]
        held = board.get(release)
        assert (held.id if held else None) == max(ids, default=None)


@given(RECORDS)
def test_what_is_held_never_goes_back(records: list[WeightsRecord]) -> None:
    board = Board(RELEASES)
    shown: dict[str, list[tuple[int, int]]] = {release: [] for release in RELEASES}
    for item in records:
        board.offer(item)
        for release in RELEASES:
            if held := board.get(release):
                shown[release].append(held.id)
    for ids in shown.values():
        assert ids == sorted(ids)


@given(RECORDS)
def test_an_offer_is_taken_exactly_when_it_changes_what_is_held(records: list[WeightsRecord]) -> None:
    board = Board(RELEASES)
    for item in records:
        before = board.get(item.release)
        taken = board.offer(item)
        assert taken == (board.get(item.release) is not before)


def test_a_newer_era_wins_over_a_greater_revision() -> None:
    board = Board(["checkout"])
    board.offer(record("checkout", 1, 900))
    assert board.offer(record("checkout", 2, 1))


def test_a_release_that_is_not_followed_is_refused() -> None:
    board = Board(["checkout"])
    assert not board.offer(record("search", 1, 1))
    assert board.get("search") is None


def test_the_weights_that_a_proxy_starts_with_are_not_news() -> None:
    assert not Board(["checkout"]).offer(record("checkout", 0, 0))
