"""What a condition means is the same for Envoy, for HAProxy and for us."""

import pytest

from schemas.condition_cases import CONDITIONS, LONGEST, REQUESTS, WRITTEN
from sidecar.condition_proxies import HAPROXY, Answers, envoy, haproxy
from trimtab.schemas.condition import text_of
from trimtab.schemas.request_match import matches

pytestmark = pytest.mark.integration


def disagreements(answers: Answers) -> list[str]:
    return [
        f"{text_of(condition)}: expected {expected}, got {told}, for {request}"
        for request, of_request in zip(REQUESTS, answers, strict=True)
        for condition, told in zip(CONDITIONS, of_request, strict=True)
        if told != (expected := matches(condition, request))
    ]


def test_every_condition_holds_for_some_request_and_not_for_another() -> None:
    same = [text_of(one) for one in (*WRITTEN, *LONGEST) if len({matches(one, request) for request in REQUESTS}) == 1]
    assert same == []


def test_envoy_takes_every_condition_as_it_is_meant() -> None:
    with envoy(CONDITIONS) as ask:
        assert disagreements(ask(REQUESTS)) == []


@pytest.mark.skipif(HAPROXY is None, reason="there is no haproxy on this machine; .ci/servers installs it")
def test_haproxy_takes_every_condition_as_it_is_meant() -> None:
    with haproxy(CONDITIONS) as ask:
        assert disagreements(ask(REQUESTS)) == []
