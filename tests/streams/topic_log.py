"""What a topic holds, for tests that hold a log to account."""

from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

_PATIENCE_S: Final = 60


def read_topic(kafka: str, topic: str) -> list[bytes]:
    """Gives what a topic holds now."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "auditor", "enable.auto.commit": False})
    payloads: list[bytes] = []
    try:
        for partition in consumer.list_topics(topic, _PATIENCE_S).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), _PATIENCE_S)
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            position = low
            while position < high:
                for message in consumer.consume(1000, 0.2):
                    assert message.error() is None, message.error()
                    position = message.offset() + 1
                    if message.value() is not None:
                        payloads.append(message.value())
                # A compacted log may end in records that are no more.
                position = max(position, consumer.position([TopicPartition(topic, partition)])[0].offset)
    finally:
        consumer.close()
    return payloads
