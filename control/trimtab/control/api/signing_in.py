"""Routes of sessions: who asks, signing in to the console, signing out."""

from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from trimtab.control.api.access import Access
from trimtab.control.api.body import read_model, request_body
from trimtab.control.api.identity import Identity, Role, identity_of
from trimtab.control.api.negotiation import gives
from trimtab.control.api.problem import ApiProblem
from trimtab.control.api.rate import Rate
from trimtab.control.api.reading import answer

_TRIES_PER_MINUTE = 20


class SignIn(BaseModel):
    """What signs somebody in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Annotated[str, Field(min_length=1, max_length=512)]


class SigningIn:
    """Answers who asks; begins and ends sessions."""

    def __init__(self, access: Access, *, has_catalogue: bool) -> None:
        """`has_catalogue`: whether there are models to show."""
        self._access, self._has_catalogue = access, has_catalogue
        self._tries = Rate(_TRIES_PER_MINUTE)

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["session"], dependencies=[gives("application/json")])
        routes.add_api_route("/session", self.session, response_class=Response)
        routes.add_api_route(
            "/session", self.sign_in, methods=["POST"], response_class=Response, openapi_extra=request_body(SignIn)
        )
        routes.add_api_route("/session", self.sign_out, methods=["DELETE"], response_class=Response, status_code=204)
        return routes

    async def session(self, request: Request) -> Response:
        """Tell who asks, and what they may do."""
        return self._told(identity_of(request))

    async def sign_in(self, request: Request) -> Response:
        """Begin a session of the console with a token; the cookie is what the console comes with from then on."""
        self._tries.take(self._access.address(request))
        given = await read_model(request, SignIn)
        if self._access.is_open:
            raise ApiProblem(HTTPStatus.CONFLICT, "no tokens are configured: nobody has to sign in")
        token = self._access.token(given.token)
        told = self._told(Identity(token.actor, Role[token.role.upper()], "console"))
        told.headers["set-cookie"] = self._access.sessions.cookie(token, is_secure=self._access.is_secure(request))
        return told

    async def sign_out(self, request: Request) -> Response:
        """End the session of the console."""
        ended = self._access.sessions.end(is_secure=self._access.is_secure(request))
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"set-cookie": ended})

    def _told(self, who: Identity) -> Response:
        return answer(
            {
                "actor": who.actor, "role": who.role.label, "version": version("trimtab"),
                "catalogue": self._has_catalogue,
            }
        )  # fmt: skip
