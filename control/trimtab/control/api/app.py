"""The application: its routes, and what every request goes through on the way to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from trimtab.control.api import problem
from trimtab.control.api.applying import Applying
from trimtab.control.api.body import BodyLimit
from trimtab.control.api.catalogue import Catalogue
from trimtab.control.api.console_files import ConsoleFiles
from trimtab.control.api.guard import LOOPBACK, Guard
from trimtab.control.api.headers import Outermost
from trimtab.control.api.health import Health
from trimtab.control.api.identity import identity_of, local
from trimtab.control.api.live import Live
from trimtab.control.api.models import Models
from trimtab.control.api.reading import Reading, answer
from trimtab.control.api.steering import Steering
from trimtab.control.api.streaming import Streaming
from trimtab.streams.settings import Settings

TITLE: Final = "Trimtab"
_ABOUT: Final = "Release decisions from live traffic: read them, follow them, steer them."


def create_app(settings: Settings) -> FastAPI:
    """Gives the application for one Kafka and one Redis."""
    live = Live(settings)
    steering = Steering(live)
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
    for part in (Reading(live), Streaming(live), Applying(live), steering, Models(live, catalogue), Health(live)):
        app.include_router(part.routes())
    app.include_router(_session())
    app.router.default = ConsoleFiles()
    problem.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, hosts=LOOPBACK, identify=lambda _request: local())
    app.add_middleware(Outermost)
    return app


def _session() -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["session"])

    @routes.get("/session", response_class=Response)
    async def session(request: Request) -> Response:
        """Tell who asks, and what they may do."""
        who = identity_of(request)
        return answer({"actor": who.actor, "role": who.role.label, "version": version("trimtab")})

    return routes
