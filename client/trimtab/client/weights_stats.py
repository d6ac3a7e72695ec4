"""What became of the records that a follower of weights was offered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeightsStats:
    """What was offered by Redis and by the cache so far."""

    accepted: int = 0
    vouched: int = 0
    """announced again as the newest, and held already"""
    stale: int = 0
    """not newer than what was held; every reconnect brings some"""
    invalid: int = 0
    """records and cache files that could not be read, or belong to another release"""
    newer: int = 0
    """records of a newer version than this client reads: it stays with the last weights until it is upgraded"""
    connects: int = 0
    cache_failures: int = 0
    """records that could not be written to the cache"""
    callback_failures: int = 0
