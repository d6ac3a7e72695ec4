"""Which decisions are told, as what, and in whose words."""

import base64
import hashlib
import hmac
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from control.decisions import arm, decision
from control.notify.receiver import Receiver
from trimtab.control.notify.courier import Courier, Untaken
from trimtab.control.notify.notice import Kind, Notice, notice_of
from trimtab.control.notify.payload import body_of
from trimtab.control.notify.signature import signed_headers
from trimtab.control.notify.targets import Format, Target, WrongTargets, read_targets
from trimtab.schemas.decision import Decision, Phase

NOW = decision()
OUT = decision(arms=[arm("v1"), arm(excluded="error_rate is above 0.05")], rule="guardrail: v2: error_rate")
HELD = decision(rule="guardrail: weights are held, v2: latency_p99_ms")


@pytest.mark.parametrize(
    ("before", "made", "kind"),
    [
        (None, NOW, Kind.STARTED),
        (NOW, decision(weights={"v1": 1, "v2": 9_999}), None),
        (NOW, decision(phase=Phase.PAUSED), Kind.PAUSED),
        (NOW, decision(phase=Phase.FROZEN), Kind.FROZEN),
        (decision(phase=Phase.PAUSED), NOW, Kind.RESUMED),
        (NOW, decision(phase=Phase.PROMOTED), Kind.PROMOTED),
        (NOW, decision(phase=Phase.ROLLED_BACK, arms=OUT.arms), Kind.ROLLED_BACK),
        (NOW, decision(phase=Phase.COMPLETED), Kind.COMPLETED),
        (NOW, OUT, Kind.EXCLUDED),
        (OUT, OUT, None),
        (NOW, HELD, Kind.HELD),
        (HELD, HELD, None),
        (NOW, decision(rule="observed: weights are held, edge-1 stays at 7.40"), Kind.HELD),
    ],
)
def test_a_decision_is_told_once_for_what_it_changes(
    before: Decision | None, made: Decision, kind: Kind | None
) -> None:
    found = notice_of(before, made)
    assert (found.kind if found else None) == kind


def target(**changes: object) -> Target:
    return Target.model_validate({"name": "ops", "url": "https://hooks.example/x", **changes})


@pytest.mark.parametrize(
    ("changes", "made", "is_wanted"),
    [
        ({}, OUT, True),
        ({"events": ["abort"]}, OUT, True),
        ({"events": ["phase"]}, OUT, False),
        ({"events": ["hold"]}, HELD, True),
        ({"events": ["hold"]}, decision(phase=Phase.PAUSED), True),
        ({"releases": ["check*"]}, OUT, True),
        ({"releases": ["search", "cart*"]}, OUT, False),
    ],
)
def test_a_target_is_told_of_what_it_asks_for(changes: dict[str, object], made: Decision, *, is_wanted: bool) -> None:
    notice = notice_of(NOW, made)
    assert notice is not None
    assert target(**changes).wants(notice) is is_wanted


BACK = Notice(Kind.ROLLED_BACK, decision(phase=Phase.ROLLED_BACK, rule="abort by ann: <!channel> *wrong* & bad"), NOW)


def test_a_webhook_has_the_release_before_and_after() -> None:
    told = json.loads(body_of(BACK, Format.WEBHOOK))
    assert (told["id"], told["kind"], told["release"]) == ("checkout/7.42", "rolled_back", "checkout")
    assert (told["phase_before"], told["phase"], told["actor"]) == ("progressing", "rolled_back", "ann")
    assert told["weights"] == told["weights_before"] == NOW.weights


def test_what_a_person_wrote_is_no_markup_in_slack() -> None:
    text = json.loads(body_of(BACK, Format.SLACK))["text"]
    assert text.startswith("*Release checkout: rolled back*\n")
    assert "&lt;!channel&gt; \u200b*wrong\u200b* &amp; bad" in text


def test_alertmanager_gets_an_alert_and_the_end_of_the_others() -> None:
    told = json.loads(body_of(BACK, Format.ALERTMANAGER))
    (begun,) = [alert for alert in told if alert["endsAt"] != alert["startsAt"]]
    assert begun["labels"] == {
        "alertname": "TrimtabRelease", "release": "checkout", "kind": "rolled_back", "severity": "critical",
    }  # fmt: skip
    # With an end of its own: Alertmanager ends after minutes what has none and is not sent again.
    assert (begun["startsAt"], begun["endsAt"]) == ("2023-11-14T22:13:20.123Z", "2023-11-15T22:13:20.123Z")
    assert {alert["labels"]["kind"] for alert in told} == {"rolled_back", "excluded", "held", "paused", "frozen"}
    ended = json.loads(body_of(Notice(Kind.RESUMED, NOW, None), Format.ALERTMANAGER))
    assert all(alert["endsAt"] == alert["startsAt"] for alert in ended)


def test_a_signature_is_that_of_standard_webhooks() -> None:
    # Made by hand: HMAC-SHA256 of ID.TIMESTAMP.BODY under the decoded secret, in base64.
    key = b"0123456789abcdef"
    expected = base64.b64encode(hmac.new(key, b"a/1.2.1700000000.{}", hashlib.sha256).digest()).decode()
    for secret in (key, b"whsec_" + base64.b64encode(key)):
        headers = signed_headers(secret, "a/1.2", 1_700_000_000, b"{}")
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert "webhook-signature" not in signed_headers(b"", "a/1.2", 1_700_000_000, b"{}")


def is_refused(headers: dict[str, str], body: bytes, now_s: float) -> bool:
    """What the example of the documentation makes of a notice."""
    text = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text()
    refused: list[bool] = []
    known = {
        "base64": base64, "hmac": hmac, "headers": headers, "body": body, "secret": b"0123456789abcdef",
        "refuse": lambda: refused.append(True), "time": SimpleNamespace(time=lambda: now_s),
    }  # fmt: skip
    exec(text.split("```python\n")[1].split("```")[0], known)  # noqa: S102 - ours
    return bool(refused)


def test_the_documented_check_takes_ours_and_refuses_others_and_old_ones() -> None:
    headers = signed_headers(b"0123456789abcdef", "a/1.2", 1_700_000_000, b"{}")
    assert not is_refused(headers, b"{}", 1_700_000_010)
    assert is_refused(headers, b"[]", 1_700_000_010)
    assert is_refused(headers, b"{}", 1_700_000_900)


FAST = {"tries": 3, "first": "10ms", "longest": "50ms"}


def bring(receiver: Receiver, **changes: object) -> Untaken | None:
    return Courier(target(url=receiver.url, retry=FAST, **changes), threading.Event()).bring(BACK)


def test_what_a_server_cannot_take_now_is_tried_again() -> None:
    with Receiver([(500, {}), (429, {"Retry-After": "1"})]) as receiver:
        assert bring(receiver) is None
        assert len(receiver.posted) == 3
        assert len({posted.headers["webhook-id"] for posted in receiver.posted}) == 1


@pytest.mark.parametrize(
    ("answers", "tries", "reason"),
    [
        ([(400, {})], 1, "HTTP 400"),
        ([(302, {"Location": "http://127.0.0.1:1/elsewhere"})], 1, "HTTP 302"),
        ([(503, {})] * 9, 3, "HTTP 503"),
    ],
)
def test_what_is_never_taken_is_given_up(answers: list[tuple[int, dict[str, str]]], tries: int, reason: str) -> None:
    with Receiver(list(answers)) as receiver:
        assert bring(receiver) == Untaken(reason, is_final=True)
        assert len(receiver.posted) == tries


def test_nobody_at_the_address_is_a_reason_too() -> None:
    courier = Courier(target(url="http://127.0.0.1:1/", retry=FAST), threading.Event())
    untaken = courier.bring(BACK)
    assert untaken is not None
    assert "refused" in untaken.reason.lower()


def test_a_stop_ends_the_waiting_without_giving_up() -> None:
    stopping = threading.Event()
    stopping.set()
    with Receiver([(500, {})]) as receiver:
        untaken = Courier(target(url=receiver.url), stopping).bring(BACK)
    assert untaken == Untaken("told to stop", is_final=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets: []", "targets: "),
        (
            "targets: [{name: a, url: 'ftp://x/'}]",
            "targets.0.url: Value error, expected a URL that begins with https://",
        ),
        ("targets: [{name: a, url: 'https://x/', events: [never]}]", "targets.0.events.0: "),
        ("targets: [{name: a, url: 'https://x/', colour: red}]", "targets.0.colour: Extra inputs"),
        ("targets: [{name: a, url: 'https://x/'}, {name: a, url: 'https://y/'}]", "'a' stands twice"),
        (
            "targets: [{name: a, url: 'https://x/', secretFile: /no/such}]",
            "target a: secretFile /no/such: No such file",
        ),
        ("targets: [", "expected YAML in UTF-8"),
        ("- a", "(file): "),
    ],
)
def test_mistakes_in_a_file_of_targets_are_told_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "targets.yaml"
    file.write_text(text)
    with pytest.raises(WrongTargets) as error:
        read_targets(file)
    assert said in str(error.value)


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n")
    file = tmp_path / "targets.yaml"
    file.write_text(f"targets: [{{name: a, url: 'https://x/', secretFile: {tmp_path}/secret}}]")
    with pytest.raises(WrongTargets, match="expected at least 16 bytes"):
        read_targets(file)
