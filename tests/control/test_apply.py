"""What `apply` warns of before anything is published."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from engine.builders import release
from trimtab.control import apply
from trimtab.schemas.policy import POLICIES


def warnings(policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *installed: str) -> list[str]:
    entries = [EntryPoint(name, "somewhere:make", POLICIES) for name in installed]
    monkeypatch.setattr(apply, "entry_points", lambda group: entries if group == POLICIES else [])
    return apply.missing_policies([release(strategy={"type": "bandit", "policy": policy})])


def test_a_policy_that_is_not_installed_here_is_named_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    (warning,) = warnings({"type": "entryPoint", "name": "mnie"}, monkeypatch, "mine")
    assert warning.startswith("release checkout: no entry point 'mnie' of trimtab.policies is installed here")
    assert "did you mean mine?" in warning
    assert "a worker that has none either rejects the release" in warning


def test_policies_inside_a_mixture_are_looked_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [{"policy": {"type": "thompson"}}, {"policy": {"type": "entryPoint", "name": "other"}}]
    assert len(warnings({"type": "mixture", "members": members}, monkeypatch)) == 1


@pytest.mark.parametrize("policy", [{"type": "adaptive"}, {"type": "entryPoint", "name": "mine"}])
def test_nothing_is_said_of_what_is_there(policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert warnings(policy, monkeypatch, "mine") == []


def test_a_canary_needs_no_policy() -> None:
    assert apply.missing_policies([release()]) == []
