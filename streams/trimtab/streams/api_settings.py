"""Settings of `trimtab serve`: where it listens, and whom it lets do what."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, Field, SecretStr, model_validator

from trimtab.schemas.address import Address
from trimtab.schemas.setting import SETTING, broken

Role = Literal["viewer", "operator", "admin"]
Network = IPv4Network | IPv6Network

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.@+-]{0,63}")
_SECRET: Final = re.compile(r"[!-~]{16,512}")
_LINE: Final = (
    "ROLE NAME SECRET, where ROLE is viewer, operator or admin, and SECRET has 16 characters or is sha256:HEX"
)


@dataclass(frozen=True, slots=True)
class Token:
    """Somebody who may come with a bearer token, of which only the digest is kept."""

    role: Role
    actor: str
    digest: str
    """SHA-256 of the token, in hexadecimal"""


class ApiSettings(BaseModel):
    """The HTTP API and the console."""

    model_config = SETTING

    listen: str = "127.0.0.1:8650"
    """HOST:PORT; anything but loopback needs tokens or trusted_proxies"""
    hosts: str = ""
    """names that the server goes by besides those of loopback, with commas: a request for any other host is refused"""
    tokens: SecretStr | None = None
    """who may come with a bearer token: a line each (or commas), `ROLE NAME SECRET`. ROLE is viewer, operator or admin;
    SECRET is the token, of 16 characters or more, or `sha256:` and its digest in hexadecimal"""
    session_key: SecretStr | None = None
    """what signs the console's cookies, 32 characters or more: with it they outlive a restart, and are good at every
    server that has it; without it each start makes one of its own"""
    session_h: Annotated[float, Field(gt=0, le=720)] = 12.0
    """hours that a session of the console lasts"""
    trusted_proxies: str = ""
    """networks (CIDR, with commas) of proxies that say who asks, in user_header: they have to drop that header from
    what comes to them"""
    user_header: str = "X-Forwarded-User"
    """header in which a trusted proxy names who asks"""
    groups_header: str = "X-Forwarded-Groups"
    """header in which it names their groups, with commas"""
    operator_groups: str = ""
    """groups whose members may steer releases, with commas"""
    admin_groups: str = ""
    """groups whose members may apply release files, too; everybody else may read"""
    commands_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 60
    """changes that one person may ask for in a minute"""

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        self._check("listen", lambda: self.address)
        self._check("tokens", self.read_tokens)
        self._check("trusted_proxies", lambda: self.proxies)
        if self.session_key is not None and len(self.session_key.get_secret_value()) < 32:  # noqa: PLR2004 - as many bytes as its hash has
            raise broken("session_key", "expected 32 characters or more")
        if (self.operator_groups or self.admin_groups) and not self.trusted_proxies:
            raise broken("trusted_proxies", "expected networks, for groups are set: only a proxy names them")
        return self

    def _check(self, setting: str, read: Callable[[], object]) -> None:
        try:
            read()
        except ValueError as error:
            raise broken(setting, str(error)) from None

    @property
    def address(self) -> Address:
        """Where to listen. Raises `ValueError`."""
        return Address.parse(self.listen)

    @property
    def proxies(self) -> list[Network]:
        """The networks of trusted proxies. Raises `ValueError`."""
        return [ip_network(one) for one in listed(self.trusted_proxies)]

    def read_tokens(self) -> list[Token]:
        """Gives who may come with a token. Raises `ValueError`, without a secret, for what is none."""
        text = self.tokens.get_secret_value() if self.tokens else ""
        lines = [line.strip() for line in text.replace(",", "\n").splitlines()]
        found = [_token(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
        if self.tokens is not None and not found:
            raise ValueError(f"expected lines of {_LINE}; got none")
        for what, values in (("name", [one.actor for one in found]), ("secret", [one.digest for one in found])):
            if len(set(values)) < len(values):
                raise ValueError(f"expected a {what} of its own for each token")
        return found


def listed(text: str) -> list[str]:
    """Gives the parts of a text with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _token(number: int, line: str) -> Token:
    match line.split():
        case [role, name, secret] if role in get_args(Role) and _NAME.fullmatch(name) and _SECRET.fullmatch(secret):
            digest = _DIGEST.fullmatch(secret)
            if digest is None and secret.startswith("sha256:"):
                raise ValueError(f"line {number}: expected 64 lower-case hexadecimal digits after sha256:")
            return Token(_role(role), name, digest[1] if digest else hashlib.sha256(secret.encode()).hexdigest())
        case _:
            raise ValueError(f"line {number}: expected {_LINE}")


def _role(text: str) -> Role:
    return next(role for role in get_args(Role) if role == text)
