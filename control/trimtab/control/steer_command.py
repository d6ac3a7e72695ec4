"""`trimtab pause`, `resume`, `promote`, `abort`, `retry`, `freeze`, `set-weights`, `exclude` and `confirm`."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

import getpass
import re
from typing import Annotated, Any, Final

import typer

from trimtab.control.command import (
    FAILED,
    USAGE,
    Config,
    Kafka,
    Wait,
    fail,
    fail_to_reach,
    settings_in_force,
)
from trimtab.control.release_name import Name
from trimtab.schemas.errors import Unreachable

Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; it stands in the decision.")]
Why = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; it stands in the decision. Required.")]

_SHARE: Final = re.compile(r"([^=]+)=(?:(\d+)|(\d+(?:\.\d{1,2})?)%)")
_POINTS_PER_PERCENT: Final = 100


def pause(name: Name, *, reason: Reason = "", kafka: Kafka = "", config: Config = None, wait: Wait = 30.0) -> None:
    """Hold the weights of a release; its guardrails stay on guard.

    Example: trimtab pause checkout --reason "a sale begins"
    """
    _steer("pause", name, reason, (kafka, config, wait))


def resume(name: Name, *, reason: Reason = "", kafka: Kafka = "", config: Config = None, wait: Wait = 30.0) -> None:
    """Let a release that is paused or frozen go on.

    Example: trimtab resume checkout --reason "the sale is over"
    """
    _steer("resume", name, reason, (kafka, config, wait))


def promote(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    reason: Reason = "",
    full: Annotated[bool, typer.Option("--full", help="To the end, not by one step.")] = False,
    variant: Annotated[str, typer.Option(metavar="VARIANT", help="Which one, to the end; else the best.")] = "",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Let a release go one step further, or give all traffic to a variant.

    A strategy without steps goes to the end in any case.

    Example: trimtab promote checkout --full --reason "as good as v1, and cheaper"
    """
    _steer("promote", name, reason, (kafka, config, wait), full=full or bool(variant), variant=variant)


def abort(name: Name, *, reason: Why = "", kafka: Kafka = "", config: Config = None, wait: Wait = 30.0) -> None:
    """Give all traffic back to the baseline, at once and for good.

    Example: trimtab abort checkout --reason "v2 writes wrong totals"
    """
    _steer("abort", name, _required(reason), (kafka, config, wait))


def retry(name: Name, *, reason: Why = "", kafka: Kafka = "", config: Config = None, wait: Wait = 30.0) -> None:
    """Begin a release anew with the same file: evidence, exclusions and steps.

    Example: trimtab retry checkout --reason "v2 is mended"
    """
    _steer("retry", name, _required(reason), (kafka, config, wait))


def freeze(name: Name, *, reason: Why = "", kafka: Kafka = "", config: Config = None, wait: Wait = 30.0) -> None:
    """Hold the weights of a release whatever happens, guardrails included, until it is resumed.

    Example: trimtab freeze checkout --reason "an incident elsewhere"
    """
    _steer("freeze", name, _required(reason), (kafka, config, wait))


def set_weights(  # noqa: PLR0913 - one argument an option
    name: Name,
    weights: Annotated[list[str], typer.Argument(metavar="VARIANT=SHARE...", help="Basis points, or 12.5%.")],
    *,
    reason: Why = "",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Set the weights of a release, which is paused with them. Variants that are not named get none.

    Example: trimtab set-weights checkout v1=75% v2=2500 --reason "to see it under load"
    """
    _steer("set-weights", name, _required(reason), (kafka, config, wait), weights=_shares(weights))


def exclude(  # noqa: PLR0913 - one argument an option
    name: Name,
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="Which one; never the baseline.")],
    *,
    reason: Why = "",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Take all traffic away from a variant, at once and until the release is retried; it goes to the baseline.

    Also where the release is frozen or over. Without any candidate left it is rolled back.

    Example: trimtab exclude recommend v2 --reason "its training data were withdrawn"
    """
    _steer("exclude", name, _required(reason), (kafka, config, wait), variant=variant)


def confirm(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    reason: Reason = "",
    variant: Annotated[str, typer.Option(metavar="VARIANT", help="Whose promotion; else the one that waits.")] = "",
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Let a promotion go on that waits for its hook to confirm it (`hooks.confirmPromotion`).

    Example: trimtab confirm checkout --reason "CI is down, its tests passed by hand"
    """
    _steer("confirm", name, reason, (kafka, config, wait), variant=variant)


def _required(reason: str) -> str:
    if not reason.strip():
        fail("--reason: expected why, for those who read the decision later", USAGE)
    return reason


def _shares(given: list[str]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for text in given:
        match = _SHARE.fullmatch(text)
        if match is None:
            fail(f"{text!r}: expected VARIANT=BASIS-POINTS or VARIANT=PERCENT%, such as v1=9000 or v1=90%", USAGE)
        variant, points, percent = match.groups()
        if variant in shares:
            fail(f"{variant}: stands twice", USAGE)
        shares[variant] = int(points) if points else round(float(percent) * _POINTS_PER_PERCENT)
    return shares


def _steer(action: str, name: str, reason: str, how: tuple[Any, Any, float], **more: Any) -> None:
    from trimtab.control.notation import revision_line
    from trimtab.control.steer import OrderRefused, steer
    from trimtab.schemas.evidence import Command
    from trimtab.schemas.ids import is_release_name

    kafka, config, wait_s = how
    if not is_release_name(name):
        fail(
            f"release {name!r}: expected lower-case letters, digits and -, or two such names with a dot between", USAGE
        )
    settings = settings_in_force(config, kafka)
    order = Command(release=name, action=action, reason=reason, actor=getpass.getuser(), **more)  # type: ignore[arg-type]  # one of them
    try:
        decision = steer(order, kafka=settings.kafka, wait_s=wait_s)
    except OrderRefused as error:
        fail(str(error), FAILED)
    except Unreachable as error:
        fail_to_reach(error)
    typer.echo(revision_line(decision))
