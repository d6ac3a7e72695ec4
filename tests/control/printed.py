"""The text of the commands that people look at most, on records that never change.

python -m control.printed, in tests, writes it to control/snapshots.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console, RenderableType

from control.decisions import arm, assessment, decision
from trimtab.control.describe import describe
from trimtab.control.diff import difference
from trimtab.control.explain import explain
from trimtab.control.limited import limited
from trimtab.control.notation import revision_line
from trimtab.control.release_view import ReleaseView
from trimtab.control.show import release_panel, releases_table, sidecars_table
from trimtab.control.show_log import audit_table, history_table
from trimtab.control.turns import turns
from trimtab.schemas.audit import AuditEntry, Standing
from trimtab.schemas.decision import Decision, Phase, Verdict
from trimtab.schemas.release import Release
from trimtab.schemas.sidecar import SidecarReport

FOLDER: Final = Path(__file__).parent / "snapshots"
WIDTH: Final = 140

_FILE: Final = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout, labels: {team: payments}}
spec:
  route: {prefix: /checkout}
  baseline: v1
  variants: [{name: v1}, {name: v2, target: checkout-v2}]
  guardrails: [{metric: error_rate, max: 0.05, window: 10s}, {metric: latency_p99_ms, maxRatio: 1.5, onFail: pause}]
  strategy: {type: bandit}
"""
_TIME_MS: Final = 1_700_000_000_123


def _release(text: str = _FILE) -> Release:
    return Release.model_validate(yaml.safe_load(text))


def _view(made: Decision, of: Release | None = None) -> ReleaseView:
    edge = SidecarReport(
        sidecar="edge-1", proxy="envoy", release="checkout", in_force=(7, 42), offered=(7, 42), events=1_234,
        unattributed=2, time_ms=_TIME_MS,
    )  # fmt: skip
    other = SidecarReport(
        sidecar="edge-2", proxy="haproxy", release="checkout", in_force=(7, 40), offered=(7, 42), events=99, dropped=3,
        refused="server checkout/v2: no such server", refusals=4, shares={"v1": 7_490.2, "v2": 2_509.8},
        time_ms=_TIME_MS,
    )  # fmt: skip
    return ReleaseView(made, (of or _release()).document(), [edge, other], ["edge-3: a sidecar's report of version 9"])


def _now() -> Decision:
    slow = assessment(
        guardrail="latency_p99_ms over 10s", verdict=Verdict.INCONCLUSIVE, value=None, limit=1.5, n=0, bound="maxRatio",
        on_fail="pause",
    )  # fmt: skip
    return decision(assessments=[assessment(verdict=Verdict.PASS, value=0.02, ln_evidence=-1.5), slow])


def _members() -> Release:
    return _release(_FILE.partition("  strategy:")[0] + "  strategy: {type: ensemble, combine: vote}\n")


def _ensemble() -> Decision:
    rule = "ensemble: weights follow what each member's own answers have earned"
    account = "Hedge: before limits a weight is in proportion to exp(-0.0123 x lost), lost: v1 0, v2 89.3"
    return decision(strategy="ensemble", rule=rule, reasons=[rule, account], assessments=[])


def _life() -> list[Decision]:
    start, first = {"v1": 10_000, "v2": 0}, "applied: all traffic on v1 until evidence comes"
    return [
        decision(revision=1, time_ms=_TIME_MS - 60_000, weights=start, rule=first),
        decision(revision=9, time_ms=_TIME_MS - 50_000, weights=start),
        decision(revision=20, time_ms=_TIME_MS - 40_000),
        decision(revision=31, time_ms=_TIME_MS - 30_000, phase=Phase.PAUSED, rule="pause by ann: a sale begins"),
        decision(revision=42),
    ]  # fmt: skip


def _audit() -> list[AuditEntry]:
    before = Standing(era=7, revision=30, phase=Phase.PROGRESSING, weights={"v1": 7_500, "v2": 2_500})
    after = Standing(era=7, revision=31, phase=Phase.PAUSED, weights={"v1": 7_500, "v2": 2_500})
    return [
        AuditEntry(time_ms=_TIME_MS - 60_000, actor="ann", source="cli", release="checkout", action="apply",
                   outcome="done", detail="created"),
        AuditEntry(time_ms=_TIME_MS - 30_000, actor="ann", role="operator", source="api", release="checkout",
                   action="pause", reason="a sale begins", before=before, after=after, outcome="done",
                   address="10.0.0.7"),
        AuditEntry(time_ms=_TIME_MS, actor="ben", source="console", release="checkout", action="promote",
                   outcome="refused", detail="no variant 'v9'"),
    ]  # fmt: skip


def _printed(renderable: RenderableType | None) -> str:
    console = Console(width=WIDTH, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


TEXTS: Final[Mapping[str, Callable[[], str]]] = {
    "get-releases": lambda: _printed(releases_table([("checkout", _view(_now()))])),
    "get-releases-wide": lambda: _printed(releases_table([("checkout", _view(_now()))], is_wide=True)),
    "get-release": lambda: _printed(release_panel(_view(_now()))),
    "get-sidecars": lambda: _printed(sidecars_table([_view(_now())])),
    "describe": lambda: _lines(describe(_view(_now()), list(turns(_life())))),
    "describe-excluded": lambda: _lines(
        describe(_view(decision(phase=Phase.PAUSED, arms=[arm("v1"), arm(excluded="error_rate is above 0.05")])), None)
    ),
    "describe-ensemble": lambda: _lines(describe(_view(_ensemble(), _members()), None)),
    "explain-ensemble": lambda: _lines(explain(_ensemble(), None, limited(_members().document()))),
    "explain": lambda: _lines(explain(_now(), _life()[2], limited(_release().document()))),
    "history": lambda: _printed(history_table(turns(_life()))),
    "decisions": lambda: _lines([revision_line(made) for made in _life()]),
    "audit": lambda: _printed(audit_table(_audit())),
    "audit-wide": lambda: _printed(audit_table(_audit(), is_wide=True)),
    "diff": lambda: _lines(
        difference(
            _release(_FILE.replace("max: 0.05", "max: 0.02").replace("team: payments", "team: till")),
            _release().document(),
        ).lines
    ),
}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in TEXTS.items():
        (FOLDER / f"{name}.txt").write_text(text())
