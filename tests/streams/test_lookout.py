"""What is told of sidecars, report by report."""

from typing import Any

import pytest

from trimtab.schemas.divergence import GRACE_S, Divergence
from trimtab.schemas.sidecar import SidecarReport
from trimtab.streams.lookout import MOST, Lookout, Wanted

WEIGHTS = {"v1": 9_000, "v2": 1_000}


def report(in_force: int = 10, *, sidecar: str = "s1", release: str = "checkout", **more: object) -> SidecarReport:
    told: dict[str, Any] = more
    revision = (5, in_force) if in_force else (0, 0)
    return SidecarReport(sidecar=sidecar, proxy="envoy", release=release, in_force=revision, **told)


class Rounds:
    """A lookout on one release, whose newest revision the test says."""

    def __init__(self) -> None:
        self.lookout = Lookout()

    def look(self, now_s: float, *reports: SidecarReport, newest: int = 10) -> list[Divergence]:
        wanted = {"checkout": Wanted((5, newest), WEIGHTS)}
        return self.lookout.judge(wanted, reports, now_s)["checkout"]

    def kinds(self, now_s: float, *reports: SidecarReport, newest: int = 10) -> list[str]:
        return [one.kind for one in self.look(now_s, *reports, newest=newest)]


def test_a_sidecar_that_follows_is_told_of_in_no_round() -> None:
    rounds = Rounds()
    for second in range(30):
        assert rounds.look(second, report(10 + second - 1), newest=10 + second) == []


def test_a_sidecar_that_stays_behind_is_stuck_after_the_grace() -> None:
    rounds = Rounds()
    seen = [rounds.kinds(second, report(10), newest=10 + second) for second in range(10)]
    assert seen == [[]] * (GRACE_S + 2) + [["stuck"]] * (8 - GRACE_S)
    (told,) = rounds.look(10, report(10), newest=30)
    assert told == Divergence(
        kind="stuck", words="sidecar s1 (envoy) stays at revision 10 while there are newer ones", sidecar="s1",
        proxy="envoy",
    )  # fmt: skip
    assert rounds.kinds(11, report(29), newest=30) == []


def test_a_proxy_that_rests_between_changes_has_more_time() -> None:
    rounds = Rounds()
    seen = [rounds.kinds(second, report(10, interval_s=20.0), newest=10 + second) for second in (0, 1, 20, 26, 27)]
    assert seen == [[], [], [], [], ["stuck"]]


def test_a_release_at_rest_has_no_stuck_sidecars() -> None:
    rounds = Rounds()
    assert [rounds.kinds(second, report(10)) for second in (0, 100, 200)] == [[], [], []]


def test_what_is_refused_is_told_at_once_in_the_proxys_words() -> None:
    (told,) = Rounds().look(0, report(9, offered=(5, 10), refused="no such cluster"))
    assert (told.kind, told.words) == ("refused", "sidecar s1 (envoy) refuses revision 10: no such cluster")
    (long,) = Rounds().look(0, report(9, refused="x" * 1_000))
    assert len(long.words) == 300


def test_a_sidecar_without_a_proxy_is_nobodys_trouble() -> None:
    rounds = Rounds()
    assert [rounds.kinds(second, report(0), newest=10 + second) for second in (0, 10, 20)] == [[], [], []]


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({}, []), ({"v1": 9_020.5, "v2": 979.5}, []), ({"v1": 8_899.0, "v2": 1_101.0}, ["shares"]),
        ({"v1": 10_000.0, "v2": 0.0}, ["shares"]),
    ],
)  # fmt: skip
def test_shares_that_are_not_the_weights_are_told_after_the_grace(shares: dict[str, float], told: list[str]) -> None:
    rounds = Rounds()
    assert rounds.kinds(0, report(shares=shares)) == []
    assert rounds.kinds(GRACE_S, report(shares=shares)) == []
    assert rounds.kinds(GRACE_S + 1, report(shares=shares)) == told
    assert rounds.kinds(GRACE_S + 2, report(shares={"v1": 9_000.0, "v2": 1_000.0})) == []


def test_shares_are_judged_by_the_weights_in_force() -> None:
    rounds, uneven = Rounds(), {"v1": 10_000.0, "v2": 0.0}
    assert rounds.kinds(0, report(9, shares=uneven)) == []
    assert rounds.kinds(4, report(9, shares=uneven)) == []
    rounds.look(5, report(shares=uneven))
    (told,) = rounds.look(11, report(shares=uneven))
    assert told.words == "sidecar s1 (envoy) gives v2 0.0% of the traffic, the weights say 10.0%"


def test_a_sidecar_that_is_gone_begins_anew_when_it_comes_back() -> None:
    rounds = Rounds()
    rounds.look(0, report(10))
    assert rounds.kinds(8, report(10), newest=18) == []
    assert rounds.kinds(9, newest=19) == []
    assert rounds.kinds(20, report(10), newest=30) == []
    assert rounds.kinds(25, report(10), newest=30) == []
    assert rounds.kinds(26, report(10), newest=30) == ["stuck"]


def test_reports_of_other_releases_are_not_judged_and_many_are_cut() -> None:
    many = [report(9, sidecar=f"s{number:03}", refused="no") for number in range(MOST + 9)]
    told = Rounds().look(0, report(9, release="other", refused="no"), *many)
    assert [one.sidecar for one in told] == [f"s{number:03}" for number in range(MOST)]
