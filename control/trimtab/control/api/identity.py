"""Who asks, and what they may do."""

import getpass
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus

from fastapi import Request

from trimtab.control.api.problem import ApiProblem


class Role(IntEnum):
    """What somebody may do: each may do all that the ones before it may."""

    VIEWER = 1
    """read"""
    OPERATOR = 2
    """steer releases that exist"""
    ADMIN = 3
    """apply release files"""

    @property
    def label(self) -> str:
        """As settings and answers have it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whose word was checked."""

    actor: str
    role: Role
    source: str = "api"
    """how they come: api, or console (by its cookie)"""


def local() -> Identity:
    """Gives who everybody is on a loopback without tokens: the user of this process, who may do the same without us."""
    return Identity(getpass.getuser(), Role.ADMIN)


def identity_of(request: Request) -> Identity:
    """Gives who asks."""
    found: Identity = request.state.identity
    return found


def at_least(request: Request, role: Role) -> Identity:
    """Gives who asks. Raises the answer 403 for whoever may not."""
    identity = identity_of(request)
    if identity.role < role:
        raise ApiProblem(
            HTTPStatus.FORBIDDEN, f"expected the role {role.label}, {identity.actor} has {identity.role.label}"
        )
    return identity
