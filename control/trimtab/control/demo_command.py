"""`trimtab demo`."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from typing import Annotated

import typer

from trimtab.control.command import USAGE, fail, redis_url
from trimtab.control.demo import DemoOptions, Scenario, Strategy
from trimtab.streams.backend import Backend, WrongBackend


def demo(  # noqa: PLR0913 - one argument an option
    *,
    scenario: Annotated[Scenario, typer.Option(help="What the candidates turn out to be.")] = Scenario.FAULTY,
    strategy: Annotated[Strategy, typer.Option(help="How traffic moves.")] = Strategy.CANARY,
    duration: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of the traffic: 60; of models, 180 at most.")
    ] = None,
    rps: Annotated[int, typer.Option(metavar="N", help="Requests per second.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Of arrivals and answers.")] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Lines in place of the live view.")] = False,
    console: Annotated[
        bool, typer.Option("--console", help="The console in a browser besides, until Ctrl-C after the verdict.")
    ] = False,
    backend: Annotated[
        Backend, typer.Option(help="Which Kafka and Redis; auto: external with addresses, else embedded.")
    ] = Backend.AUTO,
    kafka: Annotated[str, typer.Option(metavar="HOST:PORT", help="Of the backend external.")] = "",
    redis: Annotated[str, typer.Option(metavar="URL", help="Of the backend external.", callback=redis_url)] = "",
) -> None:
    """Run a real release on this machine: Kafka, Redis, Envoy, three services, traffic, and what becomes of it.

    Of the scenario models: four model servers, five acts (canary, A/B, segments, shadow, ensemble), labels 5 s late.

    Examples: trimtab demo;  trimtab demo --scenario models;  trimtab demo --scenario slow --strategy bandit
    """
    try:
        from trimtab.control.demo.run import run
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[demo]'", USAGE)
    try:
        options = DemoOptions(
            scenario=scenario, strategy=strategy, rps=rps, seed=seed, plain=plain,
            duration_s=scenario.usual_s if duration is None else duration,
            console=console, backend=backend, kafka=kafka, redis=redis,
        )  # fmt: skip
    except (ValueError, WrongBackend) as error:
        fail(str(error), USAGE)
    raise typer.Exit(run(options))
