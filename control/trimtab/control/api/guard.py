"""What a request has to be before it reaches a route: for us, not from another site, and of somebody we know.

* Host: a name that we go by. A page of another site can have its own name lead to this address (DNS rebinding).
* Origin, Sec-Fetch-Site: a browser says which site asks; one that asks for another site is refused, reads included.
* Probes (`/livez`, `/readyz`) come by the address of a container, and tell no secret: they pass.
"""

from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from trimtab.control.api.identity import Identity
from trimtab.control.api.problem import ApiProblem
from trimtab.streams.api_settings import ApiSettings, listed

PROBES: Final = ("/livez", "/readyz")
SESSION: Final = "/api/v1/session"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY: Final = {"0.0.0.0", "::"}  # noqa: S104 - where to listen, but no name to go by
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_KEPT: Final = ("/api/", "/metrics")
"""What is only for those whom we know; the console's files and the OpenAPI document tell no secret."""
_OWN: Final = ("same-origin", "none")


class Guard:
    """Refuses what is not for us; gives each other request its identity."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], identify: Callable[[Request], Identity]) -> None:
        self._app, self._hosts, self._identify = app, frozenset(hosts), identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            try:
                self._check_host(Headers(scope=scope))
                if scope["path"].startswith(_KEPT):
                    check_site(scope["method"], Headers(scope=scope))
                    if not _signs(scope["method"], scope["path"]):
                        scope.setdefault("state", {})["identity"] = self._identify(Request(scope))
            except ApiProblem as problem:
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        host = host_of(headers.get("host", ""))
        if host not in self._hosts:
            raise ApiProblem(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"the host {host!r:.100} is none that this server goes by; api.hosts of the settings names more",
            )


def _signs(method: str, path: str) -> bool:
    """Whether a request is to sign in or out, which is for everybody."""
    return path == SESSION and method in ("POST", "DELETE")


def hosts(settings: ApiSettings) -> set[str]:
    """Gives the names that the server goes by."""
    own = {*LOOPBACK, settings.address.host.lower(), *(host_of(host) for host in listed(settings.hosts))}
    return own - _ANY


def host_of(authority: str) -> str:
    """Gives the host of `HOST`, `HOST:PORT` or `[IPv6]:PORT`, in lower case.

    >>> host_of("LocalHost:8650"), host_of("[::1]:8650"), host_of("[::1]"), host_of("a.example")
    ('localhost', '::1', '::1', 'a.example')
    """
    bracketed, closing, _ = authority.removeprefix("[").partition("]")
    return bracketed.lower() if closing else authority.partition(":")[0].lower()


def check_site(method: str, headers: Headers) -> None:
    """Raises the answer 403 where a browser says that another site asks."""
    site = headers.get("sec-fetch-site", "none")
    if site not in _OWN:
        raise ApiProblem(HTTPStatus.FORBIDDEN, f"requests of other sites are refused; this one is {site:.20}")
    origin = headers.get("origin")
    if method not in _SAFE and origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise ApiProblem(HTTPStatus.FORBIDDEN, f"requests of other sites are refused; this one is of {origin:.200}")
