"""Redis as whoever asks it for something sees it, with words for what it refuses."""

from trimtab.schemas.errors import Refused, Unreachable
from trimtab.schemas.redis_client import settings_behind, words_for
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.streams.setting_table import both_spellings


def redis_failure(redis: RedisConnection, error: Exception) -> Unreachable:
    """Gives the error to raise where Redis does not do what is asked of it."""
    told = f"redis at {redis.address}: {words_for(error)}"
    if names := settings_behind(error):
        return Refused(f"{told}; look at {', '.join(both_spellings(('redis', *name.split('.'))) for name in names)}")
    return Unreachable(told)
