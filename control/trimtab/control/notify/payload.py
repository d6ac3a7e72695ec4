"""Notices in the words of whoever is told: our own webhook, Slack, Alertmanager."""

import json
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from trimtab.control.notify.notice import Kind, Notice
from trimtab.control.notify.targets import Format

VERSION: Final = 1

_SEVERITY: Final = {
    Kind.ROLLED_BACK: "critical", Kind.EXCLUDED: "warning", Kind.HELD: "warning", Kind.PAUSED: "warning",
    Kind.FROZEN: "warning",
}  # fmt: skip
"""Kinds that are alerts; any other one ends those of its release."""
_STANDS_MS: Final = 86_400_000
"""How long an alert stands that nothing ends. A notice is sent once, and Alertmanager ends what has no end of its own
and is not sent again within its `resolve_timeout`, which is five minutes."""


def body_of(notice: Notice, form: Format) -> bytes:
    """Gives what is posted."""
    match form:
        case Format.WEBHOOK:
            told: Any = plain(notice)
        case Format.SLACK:
            told = {"text": slack_text(notice)}
        case Format.ALERTMANAGER:
            told = alerts(notice)
        case _:
            assert_never(form)
    return json.dumps(told, separators=(",", ":")).encode()


def plain(notice: Notice) -> dict[str, Any]:
    """Gives a notice as our own webhook has it."""
    made, before = notice.decision, notice.before
    return {
        "v": VERSION, "id": notice.id, "kind": str(notice.kind), "release": made.release, "time_ms": made.time_ms,
        "era": made.era, "revision": made.revision, "phase": str(made.phase),
        "phase_before": str(before.phase) if before else None, "weights": made.weights,
        "weights_before": before.weights if before else None, "excluded": _excluded(notice), "rule": made.rule,
        "actor": notice.actor,
    }  # fmt: skip


def _excluded(notice: Notice) -> dict[str, str]:
    return {arm.variant: arm.excluded for arm in notice.decision.arms if arm.excluded}


def headline(notice: Notice) -> str:
    """Gives a notice in one line."""
    return f"Release {notice.decision.release}: {str(notice.kind).replace('_', ' ')}"


def slack_text(notice: Notice) -> str:
    """Gives a notice as Slack's mrkdwn; what came from a file or a person is no markup."""
    made = notice.decision
    weights = ", ".join(f"{variant} {weight / 100:g} %" for variant, weight in made.weights.items())
    told = (made.rule, f"weights: {weights}", f"revision {made.era}.{made.revision}")
    return "\n".join([f"*{_escaped(headline(notice))}*", *map(_escaped, told)])


def _escaped(text: str) -> str:
    """Escapes what Slack takes for markup: links and mentions by name, the rest by a character of no width."""
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, instead)
    return "".join(f"\u200b{sign}" if sign in "*_~`" else sign for sign in text)


def alerts(notice: Notice) -> list[dict[str, Any]]:
    """Gives alerts for Alertmanager's API v2: those of the release that are over, and the one that begins, if any."""
    made = notice.decision
    now = _instant(made.time_ms)
    ended = [
        {"labels": _labels(notice, kind), "startsAt": now, "endsAt": now}
        for kind in _SEVERITY
        if kind is not notice.kind
    ]
    if notice.kind not in _SEVERITY:
        return ended
    annotations = {"summary": headline(notice), "description": made.rule}
    begun = {"labels": _labels(notice, notice.kind), "annotations": annotations, "startsAt": now}
    return [*ended, {**begun, "endsAt": _instant(made.time_ms + _STANDS_MS)}]


def _labels(notice: Notice, kind: Kind) -> dict[str, str]:
    release = notice.decision.release
    return {"alertname": "TrimtabRelease", "release": release, "kind": str(kind), "severity": _SEVERITY[kind]}


def _instant(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
