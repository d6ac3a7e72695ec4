"""One variant of the demo's service, in a process of its own.

    python -m trimtab.control.demo.variant NAME SCENARIO STRATEGY RPS DURATION_S SEED

It listens on a port of 127.0.0.1 that the system chooses, and says which on standard output.
"""

import asyncio
import sys
from collections.abc import Iterator

from aiohttp import web

from trimtab.control.demo.options import DemoOptions, Scenario, Strategy
from trimtab.control.demo.scenario import Answer, answers, story


def application(name: str, behaviour: Iterator[Answer]) -> web.Application:
    """Gives the HTTP service: every path answers with the version and whether the visitor converted."""

    async def respond(_: web.Request) -> web.Response:
        answer = next(behaviour)
        await asyncio.sleep(answer.latency_ms / 1000)
        if answer.failed:
            return web.json_response({"version": name, "error": "out of order"}, status=500)
        return web.json_response({"version": name, "converted": answer.converted})

    app = web.Application()
    app.router.add_get("/{path:.*}", respond)
    return app


async def serve(app: web.Application) -> None:
    """Serves `app` until the process is ended."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"listening on {runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main(name: str, scenario: str, strategy: str, *numbers: str) -> None:
    """Runs the command line."""
    rps, duration_s, seed = numbers
    options = DemoOptions(
        scenario=Scenario(scenario),
        strategy=Strategy(strategy),
        rps=int(rps),
        duration_s=float(duration_s),
        seed=int(seed),
    )
    course = story(options).courses[name]
    asyncio.run(serve(application(name, answers(course, variant=name, seed=options.seed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
