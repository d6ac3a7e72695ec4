"""A Kafka broker in one process: `python -m trimtab.streams.embedded.kafka_broker TOPIC:PARTITIONS ...`.

It is the mock cluster of librdkafka, from inside the confluent-kafka wheel: one broker on a free port of 127.0.0.1,
about 5 MB a partition (the oldest records go first), all in memory. It prints its address, and lives until its standard
input is closed. There it takes the lines `down` (refuse and close connections, keep the records), `up`, and
`refuse CODE COUNT` (answer the next produce requests with that error of Kafka's), and says each of them back.
"""

import ctypes
import re
import sys
from typing import Final

from trimtab.streams.embedded.wheel import find_in_wheel

_PRODUCER: Final = 0
_ONLY_BROKER: Final = 1
_PRODUCE_REQUEST: Final = 0
_REBALANCE_DELAY_MS: Final = 100
"""How long a new consumer group waits for more members. The library's own 3 s would be most of a test."""

_TOPIC: Final = re.compile(r"([a-zA-Z0-9._-]{1,249}):([1-9][0-9]{0,3})")
"""The mock would take any name; a genuine broker keeps to these."""

_Pointer = ctypes.c_void_p
_SIGNATURES: Final = {
    "rd_kafka_conf_new": (_Pointer, ()),
    "rd_kafka_new": (_Pointer, (ctypes.c_int, _Pointer, ctypes.c_char_p, ctypes.c_size_t)),
    "rd_kafka_destroy": (None, (_Pointer,)),
    "rd_kafka_err2str": (ctypes.c_char_p, (ctypes.c_int,)),
    "rd_kafka_mock_cluster_new": (_Pointer, (_Pointer, ctypes.c_int)),
    "rd_kafka_mock_cluster_destroy": (None, (_Pointer,)),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, (_Pointer,)),
    "rd_kafka_mock_topic_create": (ctypes.c_int, (_Pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_Pointer, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, (_Pointer, ctypes.c_int32)),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, (_Pointer, ctypes.c_int32)),
    "rd_kafka_mock_push_request_errors_array": (None, (_Pointer, ctypes.c_int16, ctypes.c_size_t, _Pointer)),
}


class Cluster:
    """The mock cluster of librdkafka, with its topics."""

    def __init__(self, topics: dict[str, int]) -> None:
        self._library = _library()
        error = ctypes.create_string_buffer(512)
        self._client = self._library.rd_kafka_new(_PRODUCER, self._library.rd_kafka_conf_new(), error, 512)
        if not self._client:
            sys.exit(f"librdkafka: {error.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, _ONLY_BROKER)
        if not self._cluster:
            sys.exit("librdkafka: no mock cluster, expected a free port of 127.0.0.1")
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, _REBALANCE_DELAY_MS)
        for name, partitions in topics.items():
            self._check(self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1), name)

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of the broker."""
        address: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return address.decode()

    def down(self) -> None:
        """Closes all connections and refuses new ones."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, _ONLY_BROKER), "down")

    def up(self) -> None:
        """Accepts connections again."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, _ONLY_BROKER), "up")

    def refuse(self, code: int, count: int) -> None:
        """Answers the next `count` produce requests with the error `code` of Kafka's protocol."""
        errors = (ctypes.c_int * count)(*[code] * count)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, _PRODUCE_REQUEST, count, errors)

    def obey(self, order: str) -> None:
        """Does what a line of standard input asks for. Anything else ends the program."""
        match order.split():
            case ["down"]:
                self.down()
            case ["up"]:
                self.up()
            case ["refuse", code, count]:
                self.refuse(int(code), int(count))
            case _:
                sys.exit(f"{order!r}: expected down, up, or refuse CODE COUNT")

    def close(self) -> None:
        """Ends the broker."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)

    def _check(self, code: int, what: str) -> None:
        if code:
            sys.exit(f"{what}: {self._library.rd_kafka_err2str(code).decode()}")


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(find_in_wheel("confluent_kafka", "confluent_kafka.libs/librdkafka*")))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _topics(arguments: list[str]) -> dict[str, int]:
    topics = {}
    for argument in arguments:
        match = _TOPIC.fullmatch(argument)
        if match is None:
            sys.exit(f"{argument!r}: expected TOPIC:PARTITIONS")
        topics[match[1]] = int(match[2])
    return topics


def main() -> None:
    """Runs the broker until standard input is closed."""
    cluster = Cluster(_topics(sys.argv[1:]))
    print(cluster.bootstrap, flush=True)  # noqa: T201 - the contract of this program
    for line in sys.stdin:
        cluster.obey(line.strip())
        print(line.strip(), flush=True)  # noqa: T201 - as above
    cluster.close()


if __name__ == "__main__":
    main()
