import pytest

from trimtab.streams.backend import Backend, WrongBackend, chosen

KAFKA, REDIS = "broker:9092", "redis://cache:6379/0"


def test_auto_is_embedded_without_addresses_and_external_with_them() -> None:
    assert chosen(Backend.AUTO) is Backend.EMBEDDED
    assert chosen(Backend.AUTO, kafka=KAFKA, redis=REDIS) is Backend.EXTERNAL


@pytest.mark.parametrize("backend", [Backend.EMBEDDED, Backend.LOCAL, Backend.DOCKER])
def test_a_backend_with_servers_of_its_own_takes_no_address(backend: Backend) -> None:
    assert chosen(backend) is backend
    with pytest.raises(WrongBackend, match=f"backend {backend}: .* expected no address; got broker:9092"):
        chosen(backend, kafka=KAFKA)
    with pytest.raises(WrongBackend, match=f"backend {backend}: .* expected no address; got redis://cache"):
        chosen(backend, redis=REDIS)


@pytest.mark.parametrize("backend", [Backend.AUTO, Backend.EXTERNAL])
def test_external_without_one_of_its_addresses_names_it(backend: Backend) -> None:
    with pytest.raises(WrongBackend, match="the URL of Redis is missing, expected both"):
        chosen(backend, kafka=KAFKA)
    with pytest.raises(WrongBackend, match="the address of Kafka is missing, expected both"):
        chosen(backend, redis=REDIS)


def test_external_without_any_address_names_the_first() -> None:
    with pytest.raises(WrongBackend, match="the address of Kafka is missing, expected both"):
        chosen(Backend.EXTERNAL)


def test_a_name_that_is_no_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="'nonsense' is not a valid Backend"):
        Backend("nonsense")
