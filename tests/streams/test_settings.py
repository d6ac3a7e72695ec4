import pytest
from pydantic import ValidationError

from trimtab.streams.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_KAFKA__BOOTSTRAP", "broker:9092")
    monkeypatch.setenv("TRIMTAB_FOLD__LATENESS_MS", "500")
    settings = Settings()
    assert settings.kafka.bootstrap == "broker:9092"
    assert settings.fold.spec.lateness_ms == 500


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("TRIMTAB_KAFKA__TELEMETRY_PARTITIONS", "0", ("kafka", "telemetry_partitions")),
        ("TRIMTAB_FOLD__FLUSH_MS", "soon", ("fold", "flush_ms")),
        ("TRIMTAB_KAFKA__BOTSTRAP", "broker:9092", ("kafka", "botstrap")),
        ("TRIMTAB_WATCHDOG_S", "-1", ("watchdog_s",)),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, place: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [place]
