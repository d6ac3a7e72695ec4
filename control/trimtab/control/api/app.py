"""The application: its routes, and what every request goes through on the way to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from trimtab.control.api import openapi, problem
from trimtab.control.api.access import Access
from trimtab.control.api.applying import Applying
from trimtab.control.api.auditing import Auditing
from trimtab.control.api.body import BodyLimit
from trimtab.control.api.catalogue import Catalogue
from trimtab.control.api.changing import Changing
from trimtab.control.api.console_files import ConsoleFiles
from trimtab.control.api.guard import Guard, hosts
from trimtab.control.api.headers import Outermost
from trimtab.control.api.health import Health
from trimtab.control.api.live import Live
from trimtab.control.api.metrics import ApiMetrics, Tally
from trimtab.control.api.models import Models
from trimtab.control.api.reading import Reading
from trimtab.control.api.signing_in import SigningIn
from trimtab.control.api.steering import Steering
from trimtab.control.api.streaming import Streaming
from trimtab.control.api.supposing import Supposing
from trimtab.streams.settings import Settings

TITLE: Final = "Trimtab"
_ABOUT: Final = "Release decisions from live traffic: read them, follow them, steer them."


def create_app(settings: Settings) -> FastAPI:
    """Gives the application for one Kafka and one Redis."""
    live, access = Live(settings), Access(settings.api)
    auditing = Auditing(live, access)
    changing = Changing(live, auditing, settings.api.commands_per_minute)
    steering = Steering(live, changing)
    catalogue = Catalogue(settings.catalog)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await live.start()
        try:
            yield
        finally:
            steering.close()
            await live.stop()
            catalogue.close()

    app = FastAPI(
        title=TITLE, version=version("trimtab"), description=_ABOUT, docs_url=None, redoc_url=None,
        redirect_slashes=False, lifespan=lifespan,
    )  # fmt: skip
    app.state.live = live
    parts = (
        Reading(live),
        Streaming(live),
        Applying(live, changing, catalogue),
        steering,
        auditing,
        Supposing(live),
        SigningIn(access, has_catalogue=bool(settings.catalog.url)),
    )
    tally = Tally()
    for part in (
        *parts,
        Models(live, catalogue, changing, auditing),
        Health(live),
        ApiMetrics(tally, live.hub, live.tail),
    ):
        app.include_router(part.routes())
    app.router.default = ConsoleFiles()
    problem.install(app)
    openapi.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, hosts=hosts(settings.api), identify=access.identify)
    app.add_middleware(Outermost, tally=tally)
    return app
