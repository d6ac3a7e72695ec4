"""Policies by Python entry point."""

from importlib.metadata import EntryPoint

import pytest

from engine.policy.policies import mine
from trimtab.schemas.policy import POLICIES
from trimtab.streams.guest_policies import guest_policies


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, POLICIES)


def test_an_entry_point_leads_to_its_factory() -> None:
    assert guest_policies([entry("mine", "engine.policy.policies:mine")]) == {"mine": mine}


def test_without_packages_that_bring_some_there_are_none() -> None:
    assert guest_policies() == {}


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        ([entry("mine", "engine.policy.policies:mine")] * 2, ValueError, "'mine' stands twice"),
        (
            [entry("mine", "engine.policy.policies:SPECS")],
            TypeError,
            "entry point mine of .*: expected a factory of policies",
        ),
        ([entry("mine", "no_such_package:mine")], ImportError, "no_such_package"),
        ([entry("mine", "engine.policy.policies:no_such")], AttributeError, "no_such"),
    ],
)
def test_one_that_leads_nowhere_stops_the_start(
    entries: list[EntryPoint], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        guest_policies(entries)
