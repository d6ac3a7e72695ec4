"""Who asks: by a bearer token, by the console's cookie, or by the word of a trusted proxy; else nobody.

Without tokens and proxies everybody on this machine's loopback is the user of this process, who may do the same without
us. A header of a proxy counts only where the connection comes from its network.
"""

import hashlib
import hmac
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request

from trimtab.control.api.identity import Identity, Role, local
from trimtab.control.api.problem import ApiProblem
from trimtab.control.api.session import COOKIE, Sessions
from trimtab.streams.api_settings import ApiSettings, Token, listed

_LONGEST_NAME: Final = 200
_READS: Final = ("GET", "HEAD", "OPTIONS")


class Access:
    """Knows who may come."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._tokens = {token.actor: token for token in settings.read_tokens()}
        self._proxies = settings.proxies
        self._groups = {
            Role.ADMIN: set(listed(settings.admin_groups)), Role.OPERATOR: set(listed(settings.operator_groups)),
        }  # fmt: skip
        self.sessions = Sessions(settings)

    @property
    def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        return not self._tokens and not self._proxies

    def identify(self, request: Request) -> Identity:
        """Gives who asks. Raises the answers 401 and 403."""
        if "authorization" in request.headers:
            return _identity(self.bearer(request.headers["authorization"]), "api")
        if COOKIE in request.cookies and (token := self.sessions.read(request.cookies[COOKIE], self._tokens)):
            _check_browser(request)
            return _identity(token, "console")
        if self.is_proxied(request) and (user := request.headers.get(self._settings.user_header, "")):
            return self._proxied(request, user)
        if self.is_open:
            return local()
        raise unknown("expected a bearer token, or a session of the console")

    def bearer(self, authorization: str) -> Token:
        """Gives whose token it is. Raises the answer 401."""
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise unknown("expected Authorization: Bearer TOKEN")
        return self.token(secret.strip())

    def token(self, secret: str) -> Token:
        """Gives whose token it is, in a time that tells nothing of those that there are. Raises the answer 401."""
        digest = hashlib.sha256(secret.encode()).hexdigest()
        found = [token for token in self._tokens.values() if hmac.compare_digest(token.digest, digest)]
        if not found:
            raise unknown("the token is none that is known here")
        return found[0]

    def is_proxied(self, request: Request) -> bool:
        """Whether the connection is that of a trusted proxy."""
        return _is_among(request.client.host if request.client else "", self._proxies)

    def address(self, request: Request) -> str:
        """Gives where a request comes from: the connection, or what the trusted proxies on the way say."""
        here = request.client.host if request.client else ""
        if not self.is_proxied(request):
            return here
        way = [here, *reversed(listed(request.headers.get("x-forwarded-for", "")))]
        return next((one for one in way if not _is_among(one, self._proxies)), here)[:_LONGEST_NAME]

    def is_secure(self, request: Request) -> bool:
        """Whether the browser speaks TLS, as far as it ends at a trusted proxy."""
        return self.is_proxied(request) and request.headers.get("x-forwarded-proto", "") == "https"

    def _proxied(self, request: Request, user: str) -> Identity:
        groups = set(listed(request.headers.get(self._settings.groups_header, "")))
        role = next((role for role, members in self._groups.items() if members & groups), Role.VIEWER)
        return Identity(user[:_LONGEST_NAME], role, "console" if "sec-fetch-site" in request.headers else "api")


def unknown(detail: str) -> ApiProblem:
    """Gives the answer for somebody whom we do not know."""
    return ApiProblem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="trimtab"'})


def _check_browser(request: Request) -> None:
    """Raises the answer 403 where a cookie comes with a change, and nothing says of which site the page is."""
    told = "origin" in request.headers or "sec-fetch-site" in request.headers
    if request.method not in _READS and not told:
        raise ApiProblem(HTTPStatus.FORBIDDEN, "a change by cookie needs the Origin that browsers send")


def _identity(token: Token, source: str) -> Identity:
    return Identity(token.actor, Role[token.role.upper()], source)


def _is_among(host: str, networks: object) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)  # type: ignore[attr-defined]
