"""What a client says it takes (`Accept`), and whether that is what there is."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from trimtab.control.api.problem import ApiProblem


def gives(type_: str) -> Dependency:
    """Gives the dependency of routes that answer with one media type: 406 for whoever takes none such."""
    whole = type_.partition("/")[0] + "/*"
    fit = {type_, whole, "*/*"}

    async def check(request: Request) -> None:
        wanted = request.headers.get("accept", "*/*")
        if not any(_names(part) in fit for part in wanted.split(",")):
            raise ApiProblem(HTTPStatus.NOT_ACCEPTABLE, f"there is {type_}, expected was {wanted:.200}")

    made: Callable[..., Dependency] = Depends
    return made(check)


def _names(part: str) -> str:
    """Gives the media type of one part; none where it is what the client does not take (q=0)."""
    type_, _, parameters = part.strip().partition(";")
    is_refused = any(one.strip().lower() in ("q=0", "q=0.0", "q=0.00", "q=0.000") for one in parameters.split(";"))
    return "" if is_refused else type_.strip().lower()
