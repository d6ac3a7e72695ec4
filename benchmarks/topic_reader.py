"""Reading a topic from its beginning to where it ends now."""

from collections.abc import Iterator

from confluent_kafka import Consumer, Message, TopicPartition

_PATIENCE_S = 10.0


def read_topic(kafka: str, topic: str) -> Iterator[Message]:
    """Gives every message that the topic holds at this moment, partition by partition."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "benchmark-reader", "enable.auto.commit": False})
    try:
        for partition in consumer.list_topics(topic, _PATIENCE_S).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), _PATIENCE_S)
            consumer.assign([TopicPartition(topic, partition, low)])
            position = low
            while position < high:
                for message in consumer.consume(1000, _PATIENCE_S):
                    if message.error() is None and message.offset() < high:
                        yield message
                        position = message.offset() + 1
    finally:
        consumer.close()
