"""`trimtab lint` and `trimtab status`: what a pipeline asks before and after it releases."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trimtab.control.command import FAILED, USAGE, Config, RedisUrl, fail, fail_to_reach, settings_in_force
from trimtab.control.output import TextFormat, write
from trimtab.control.release_name import Name
from trimtab.schemas.errors import InvalidFile, InvalidRecord, Unreachable

if TYPE_CHECKING:
    from trimtab.control.release_view import Releases, ReleaseView

TIMED_OUT: Final = 4
_LOOK_S: Final = 1.0


def lint(
    files: Annotated[list[Path], typer.Option("--file", "-f", metavar="FILE", help="May be repeated.")],
) -> None:
    """Check files, without any server: releases, graphs of models, and what `trimtab models register` takes.

    Exit code 2 where there is a mistake. Whether what the catalogue's nodes rest on is there, register says.

    Example: trimtab lint -f checkout.yaml
    """
    from trimtab.control.apply import missing_policies
    from trimtab.control.lint import check

    try:
        found = check(files)
    except InvalidFile as error:
        fail(str(error), USAGE)
    for warning in missing_policies(found.releases):
        typer.echo(f"warning: {warning}", err=True)
    for name in found.names:
        typer.echo(f"{name} ok")


def status(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Until the release is over; changes are told on standard error.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to watch; 0 for as long as it takes.")
    ] = 0.0,
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Tell whether a release does well, for pipelines to go by.

    Exit code 0: it goes on, was promoted or is completed. 1: rolled back, a variant is excluded, traffic does not
    follow the weights, a sidecar's proxy refuses them, they are past their age, no worker decides, or there is no such
    release. 3: Redis does not answer. 4: not over within --timeout.

    Examples: trimtab status checkout -o json;  trimtab status checkout --watch --timeout 1800
    """
    from trimtab.control.notation import revision_line
    from trimtab.control.release_view import Releases, told

    try:
        known = Releases(settings_in_force(config, redis=redis).redis)
        view = _awaited(known, name, timeout if watch else None)
        problems = _problems(view, has_worker=known.has_worker()) if view else []
    except InvalidRecord as error:
        fail(f"release {name}: {told(error)}", FAILED)
    except Unreachable as error:
        fail_to_reach(error)
    if view is None:
        fail(f"no release {name!r}", FAILED)
    if output is TextFormat.JSON:
        write(_plain(view, problems), output)
    else:
        typer.echo(revision_line(view.decision))
    if watch and not view.decision.phase.is_over:
        fail(f"release {name}: not over within {timeout:g} s", TIMED_OUT)
    if problems:
        fail("\n".join(f"release {name}: {problem}" for problem in problems), FAILED)


def _awaited(releases: "Releases", name: str, timeout_s: float | None) -> "ReleaseView | None":
    """Gives a release; with a time, once it is over or that has passed (0: never); tells of changes until then."""
    if timeout_s is None:
        return releases.get(name)
    from trimtab.control.notation import revision_line

    end_s, view, known = time.monotonic() + timeout_s, None, None
    for view in releases.watch(name, _LOOK_S):
        if (view is not None and view.decision.phase.is_over) or (timeout_s and time.monotonic() >= end_s):
            break
        stands = view and (view.decision.phase, view.decision.weights, view.decision.rule)
        if view is not None and stands != known:
            typer.echo(revision_line(view.decision), err=True)
        known = stands
    return view


def _plain(view: "ReleaseView", problems: list[str]) -> dict[str, object]:
    """Gives what is told, for programs."""
    decision = view.decision
    return {
        "release": decision.release,
        "era": decision.era,
        "revision": decision.revision,
        "phase": str(decision.phase),
        "over": decision.phase.is_over,
        "healthy": not problems,
        "problems": problems,
        "weights": decision.weights,
        "rule": decision.rule,
    }


def _problems(view: "ReleaseView", *, has_worker: bool) -> list[str]:
    from trimtab.control.notation import stale_words
    from trimtab.schemas.decision import Phase

    decision = view.decision
    found = [f"rolled back: {decision.rule}"] if decision.phase is Phase.ROLLED_BACK else []
    found += [f"{arm.variant} takes no traffic: {arm.excluded}" for arm in decision.arms if arm.excluded]
    found += [f"traffic does not follow: {one.words}" for one in decision.divergences if one.kind != "refused"]
    found += [f"sidecar {report.sidecar}: refused: {report.refused}" for report in view.sidecars if report.refused]
    # Of a release that is over nobody has to stand behind the weights.
    stale = [report for report in view.sidecars if report.stale and not decision.phase.is_over]
    found += [f"sidecar {report.sidecar}: {stale_words(report)}" for report in stale]
    # A release that nobody decides on is never rolled back either.
    return found if has_worker or decision.phase.is_over else [*found, "no worker reports: nobody decides on it"]
