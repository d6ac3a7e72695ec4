"""Genuine servers on this machine, on loopback, in temporary folders: Apache Kafka and Redis."""

from trimtab.streams.local.kafka import LocalKafka
from trimtab.streams.local.redis import LocalRedis

__all__ = ["LocalKafka", "LocalRedis"]
