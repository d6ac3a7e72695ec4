"""`trimtab plan`: how many trials, and how long, an A/B test needs. It asks no server."""

# Imports stand inside the functions: other commands are not to wait for the engine.
# ruff: noqa: PLC0415

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trimtab.control.command import USAGE, fail
from trimtab.control.output import TextFormat, write
from trimtab.schemas.errors import InvalidRelease

if TYPE_CHECKING:
    from trimtab.control.plan import Comparison, Planned
    from trimtab.engine.experiment.planning import Effect

_PERCENTAGE: Final = re.compile(r"([+-]?\d+(?:\.\d+)?) ?%")
_MOST_VARIANTS: Final = 100
_LEAST_DIFFERENCE: Final = 1e-9
"""of a share, or in standard deviations: numbers are too coarse for less, and no experiment is long enough"""
_LEAST_ALPHA: Final = 1e-9
"""for 1 - alpha has to differ from 1, of each of many comparisons, too"""


def plan(  # noqa: PLR0913 - one argument an option
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Release file with an abTest: its variants, split and alpha."
        ),
    ] = None,
    variants: Annotated[
        int | None,
        typer.Option("--variants", metavar="N", help="How many, the baseline too, without a file; 2 by default."),
    ] = None,
    baseline: Annotated[
        float | None, typer.Option("--baseline", metavar="SHARE", help="The baseline's share, such as 0.04.")
    ] = None,
    difference: Annotated[
        float | None, typer.Option("--difference", metavar="D", help="What is to be found: 0.005 is 4 % against 4.5 %.")
    ] = None,
    relative: Annotated[
        str, typer.Option("--relative", metavar="PERCENT", help="The same as a part of the baseline's share: 5%.")
    ] = "",
    deviation: Annotated[
        float | None,
        typer.Option("--deviation", metavar="SD", help="Of a real value, in place of --baseline: standard deviation."),
    ] = None,
    per_second: Annotated[
        float | None,
        typer.Option("--per-second", metavar="N", help="Trials (requests, or outcomes) a second of all variants."),
    ] = None,
    power: Annotated[
        float, typer.Option("--power", metavar="P", help="The probability to find the difference, if it is there.")
    ] = 0.8,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha", metavar="A", help="The probability to find one if there is none; else the file's, or 0.05."
        ),
    ] = None,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="For one look, at the end. An abTest is looked at at any time.")
    ] = False,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Tell how many trials an A/B test needs to find a difference, and how long that takes.

    Each candidate is compared with the baseline: of a share (--baseline, with --difference or --relative), or of a real
    value (--deviation and --difference).

    Examples: trimtab plan -f checkout.yaml --baseline 0.04 --difference 0.005 --per-second 200;
    trimtab plan --variants 3 --baseline 0.04 --relative 5%;  trimtab plan --deviation 12.5 --difference 0.5
    """
    _expect("--power", power, 0.5, 0.9999)
    _expect("--per-second", per_second, 1e-3, 1e9)
    try:
        comparison, effect = _comparison(file, variants), _effect(baseline, difference, relative, deviation)
        _check_fit(comparison, effect, per_second)
        level = comparison.alpha if alpha is None else alpha
        _expect("--alpha", level, _LEAST_ALPHA, 0.5)
        planned = _planned(comparison, effect, (level, power), per_second, fixed=fixed)
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[server]'", USAGE)
    if output is TextFormat.JSON:
        write(planned.plain(), output)
    else:
        typer.echo("\n".join(planned.lines()))
    _warn(planned)


def _comparison(file: Path | None, variants: int | None) -> "Comparison":
    from trimtab.control.apply import read
    from trimtab.control.plan import even, of_release

    if file is None:
        _expect("--variants", variants, 2, _MOST_VARIANTS)
        return even(variants or 2)
    if variants is not None:
        fail("--variants: the file has them; expected it without --file", USAGE)
    try:
        releases = read([file])
        if len(releases) > 1:
            names = ", ".join(release.name for release in releases)
            fail(f"--file: {file} is of {names}, expected one release", USAGE)
        return of_release(releases[0])
    except InvalidRelease as error:
        fail(str(error), USAGE)
    except ValueError as error:
        fail(f"--file: {error}", USAGE)


def _effect(baseline: float | None, difference: float | None, relative: str, deviation: float | None) -> "Effect":
    if baseline is not None and deviation is None:
        return _of_share(baseline, difference, relative)
    if deviation is None or baseline is not None:
        fail("expected --baseline, of a share, or --deviation, of a real value: one of both", USAGE)
    return _of_value(deviation, difference, relative)


def _of_share(baseline: float, difference: float | None, relative: str) -> "Effect":
    from trimtab.engine.experiment.planning import ShareEffect

    if (difference is None) == (not relative):
        fail("--baseline: expected --difference or --relative with it: one of both", USAGE)
    if not 0.0 < baseline < 1.0:
        fail(f"--baseline: expected a share between 0 and 1, got {baseline:g}", USAGE)
    try:
        if difference is None:
            effect = ShareEffect.relative(baseline, _ratio(relative))
        else:
            effect = ShareEffect(baseline, difference)
    except ValueError:
        option = f"--relative {relative}" if difference is None else f"--difference {difference:g}"
        fail(f"{option}: expected one that leads from {baseline:g} to a share between 0 and 1", USAGE)
    if abs(effect.difference) < _LEAST_DIFFERENCE:
        option = "--relative" if difference is None else "--difference"
        fail(f"{option}: expected a difference of at least {_LEAST_DIFFERENCE:g}, got {effect.difference:g}", USAGE)
    return effect


def _of_value(deviation: float, difference: float | None, relative: str) -> "Effect":
    from trimtab.engine.experiment.planning import MeanEffect

    if relative or difference is None:
        fail("--deviation: expected --difference with it, and no --relative", USAGE)
    _expect("--deviation", deviation, 1e-100, 1e100)
    least, most = deviation * _LEAST_DIFFERENCE, deviation / _LEAST_DIFFERENCE
    if not least <= abs(difference) <= most:
        fail(f"--difference: expected from {least:g} to {most:g}, up or down, got {difference:g}", USAGE)
    return MeanEffect(deviation, difference)


def _ratio(text: str) -> float:
    match = _PERCENTAGE.fullmatch(text.strip())
    if match is None:
        fail(f"--relative: expected a percentage such as 5% or -10%, got {text!r}", USAGE)
    return float(match[1]) / 100.0


def _check_fit(comparison: "Comparison", effect: "Effect", per_second: float | None) -> None:
    """Ends the command where the objective of the file is not what is asked about."""
    from trimtab.engine.experiment.planning import ShareEffect

    given = "share" if isinstance(effect, ShareEffect) else "real"
    if comparison.values not in {None, given}:
        right = "--baseline" if comparison.values == "share" else "--deviation"
        fail(f"release {comparison.release}: objective.values is {comparison.values}, expected {right}", USAGE)
    if comparison.is_of_seconds and per_second is not None:
        why = "its objective is a metric of seconds, and each variant has one trial in each"
        fail(f"--per-second: release {comparison.release}: {why}; expected none", USAGE)


def _planned(
    comparison: "Comparison", effect: "Effect", risks: tuple[float, float], per_second: float | None, *, fixed: bool
) -> "Planned":
    from trimtab.control.plan import Planned
    from trimtab.engine.experiment import planning

    analysis = planning.Analysis.FIXED if fixed else planning.Analysis.ANY_TIME
    demand = planning.Demand(tuple(comparison.split.values()), *risks, analysis=analysis)
    return Planned(comparison, effect, demand, planning.plan(effect, demand, per_second or 1.0), per_second)


def _warn(planned: "Planned") -> None:
    from trimtab.control.plan import duration_words

    ends_s = planned.comparison.duration_s
    if planned.per_second is not None and ends_s is not None and ends_s < planned.plan.seconds:
        ends = f"release {planned.comparison.release}: its duration is over after {duration_words(ends_s)}"
        typer.echo(f"warning: {ends}, before the difference is sure enough to be found", err=True)


def _expect(option: str, value: float | None, least: float, most: float) -> None:
    """Ends the command for a value out of a range; None is not given."""
    if value is not None and not least <= value <= most:
        fail(f"{option}: expected from {least:g} to {most:g}, got {value:g}", USAGE)
