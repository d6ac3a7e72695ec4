"""Servers that come with the wheels: a Kafka broker and a Redis server for demos and tests, each in its own process."""

from trimtab.streams.embedded.kafka import EmbeddedKafka
from trimtab.streams.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedKafka", "EmbeddedRedis"]
