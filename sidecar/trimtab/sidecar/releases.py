"""The names of the releases that a sidecar follows."""

from collections.abc import Sequence

from trimtab.schemas.ids import RELEASE_NAME, is_release_name
from trimtab.schemas.redis_connection import RedisConnection, checked_redis_url


def check_releases(releases: Sequence[str]) -> None:
    """Raises `ValueError`, with the field's name, where nothing is followed, something twice, or what is no name."""
    if not releases:
        raise ValueError("releases: expected at least one")
    for release in releases:
        if not is_release_name(release):
            raise ValueError(f"releases: {release!r}: expected {RELEASE_NAME}")
        if releases.count(release) > 1:
            raise ValueError(f"releases: {release!r} stands twice")


def check_redis(redis: str | RedisConnection) -> None:
    """Raises `ValueError`, with the field's name, for a text that is no URL of a Redis."""
    if isinstance(redis, str):
        try:
            checked_redis_url(redis)
        except ValueError as error:
            raise ValueError(f"redis: {error}") from None
