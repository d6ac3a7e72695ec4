"""Weights of 0 to 256 that come as near to basis points as they can."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from trimtab.sidecar.haproxy.shares import MAX_WEIGHT, server_weights, shares_bp


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, int]]:
    count = draw(st.integers(2, 5))
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=count - 1, max_size=count - 1)))
    weights = [after - before for before, after in itertools.pairwise([0, *cuts, 10_000])]
    servers = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    names = [f"v{number}" for number in range(count)]
    return dict(zip(names, weights, strict=True)), dict(zip(names, servers, strict=True))


def real(found: dict[str, int], servers: dict[str, int]) -> dict[str, float]:
    return shares_bp({name: weight * servers[name] for name, weight in found.items()})


@given(cases())
def test_weights_are_in_range_and_zero_just_where_the_share_is(case: tuple[dict[str, int], dict[str, int]]) -> None:
    weights, servers = case
    found = server_weights(weights, servers)
    assert all(0 <= each <= MAX_WEIGHT for each in found.values())
    assert {name for name, each in found.items() if each == 0} == {name for name, each in weights.items() if each == 0}


@given(cases())
def test_no_share_is_off_by_more_than_a_step(case: tuple[dict[str, int], dict[str, int]]) -> None:
    weights, servers = case
    shares = real(server_weights(weights, servers), servers)
    # A step is a 257th. What is rounded up to the least weight takes that much from the others, at most.
    steps = sum(servers[name] for name, weight in weights.items() if weight)
    assert all(abs(shares[name] - weight) <= 10_000 / 257 * steps for name, weight in weights.items())


@given(st.integers(0, 10_000))
def test_two_servers_get_the_best_of_all_pairs(weight: int) -> None:
    found = server_weights({"v1": 10_000 - weight, "v2": weight}, {"v1": 1, "v2": 1})
    error = abs(found["v2"] / (found["v1"] + found["v2"]) - weight / 10_000)
    low = 1 if weight else 0
    high = 1 if weight < 10_000 else 0
    best = min(
        abs(two / (one + two) - weight / 10_000)
        for one, two in [
            *((MAX_WEIGHT, two) for two in range(low, MAX_WEIGHT + 1)),
            *((one, MAX_WEIGHT) for one in range(high, MAX_WEIGHT + 1)),
        ]
        if (weight == 0) == (two == 0) and (weight == 10_000) == (one == 0)
    )
    # Never worse than what is nearest with one of them at 256; below that there are finer fractions.
    assert error <= best + 1e-9


def test_a_variant_of_many_servers_makes_finer_shares() -> None:
    servers = {"v1": 10, "v2": 1}
    assert abs(real(server_weights({"v1": 9_996, "v2": 4}, servers), servers)["v2"] - 4) < 0.01


def test_all_to_one_is_all_to_one() -> None:
    assert server_weights({"v1": 10_000, "v2": 0}, {"v1": 2, "v2": 3}) == {"v1": 256, "v2": 0}


def test_nothing_up_is_no_share() -> None:
    assert shares_bp({"v1": 0, "v2": 0}) == {"v1": 0.0, "v2": 0.0}
