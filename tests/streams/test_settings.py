import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trimtab.streams.setting_table import ENTRIES, markdown, shown
from trimtab.streams.settings import Settings
from trimtab.streams.settings_source import WrongSettings, read_settings

SECRET = "geheim-" + str(4711)


def refused(variables: dict[str, str], file: Path | None = None) -> str:
    with pytest.raises(WrongSettings) as caught:
        read_settings(file, variables=variables)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def settings_file(folder: Path, text: str) -> Path:
    file = folder / "trimtab.yaml"
    file.write_text(text)
    return file


def test_defaults_are_a_kafka_and_a_redis_on_this_machine() -> None:
    settings = read_settings(variables={})
    assert settings == Settings()
    assert (settings.kafka.bootstrap, settings.redis.url) == ("127.0.0.1:9092", "redis://127.0.0.1:6379/0")


def test_variables_of_the_environment_reach_their_settings() -> None:
    settings = read_settings(variables={"TRIMTAB_KAFKA__BOOTSTRAP": "broker:9092", "TRIMTAB_FOLD__LATENESS_MS": "500"})
    assert settings.kafka.bootstrap == "broker:9092"
    assert settings.fold.spec.lateness_ms == 500


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings(variables={"TRIMTAB_KAFKA__TLS__CA_FILE": "", "TRIMTAB_CONFIG": ""}) == Settings()


def test_the_environment_wins_over_the_file_and_an_option_over_both(tmp_path: Path) -> None:
    file = settings_file(tmp_path, "kafka: {bootstrap: 'file:1', group: file, rack: file}")
    variables = {"TRIMTAB_KAFKA__BOOTSTRAP": "environment:1", "TRIMTAB_KAFKA__GROUP": "environment"}
    kafka = read_settings(file, {("kafka", "bootstrap"): "option:1", ("redis", "url"): ""}, variables).kafka
    assert (kafka.bootstrap, kafka.group, kafka.rack) == ("option:1", "environment", "file")


def test_the_file_may_be_named_by_the_environment_and_the_option_wins(tmp_path: Path) -> None:
    file = settings_file(tmp_path, "watchdog_s: 7")
    other = tmp_path / "other.yaml"
    other.write_text("watchdog_s: 8")
    assert read_settings(variables={"TRIMTAB_CONFIG": str(file)}).watchdog_s == 7
    assert read_settings(other, variables={"TRIMTAB_CONFIG": str(file)}).watchdog_s == 8


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TRIMTAB_KAFKA__TELEMETRY_PARTITIONS", "0", "kafka.telemetry_partitions"),
        ("TRIMTAB_FOLD__FLUSH_MS", "soon", "fold.flush_ms"),
        ("TRIMTAB_WATCHDOG_S", "-1", "watchdog_s"),
        ("TRIMTAB_KAFKA__SECURITY_PROTOCOL", "TLS", "kafka.security_protocol"),
        ("TRIMTAB_KAFKA__SASL__MECHANISM", "GSSAPI", "kafka.sasl.mechanism"),
    ],
)
def test_a_wrong_value_is_told_with_both_names_what_was_expected_and_what_came(
    name: str, value: str, told: str
) -> None:
    message = refused({name: value})
    assert f"{told} ({name}): " in message
    assert "expected" in message
    assert f"got '{value}', from the environment" in message


def test_every_mistake_is_told_at_once() -> None:
    variables = {"TRIMTAB_FOLD__FLUSH_MS": "soon", "TRIMTAB_KAFKA__TELEMETRY_PARTITIONS": "0"}
    assert len(refused(variables).splitlines()) == 2


@pytest.mark.parametrize("bootstrap", ["", "kafka", "kafka:", "kafka:x", "kafka:0", ":9092", "kafka:99999", "a:1,b"])
def test_addresses_of_kafka_that_are_none_are_refused(bootstrap: str) -> None:
    if bootstrap:
        message = refused({"TRIMTAB_KAFKA__BOOTSTRAP": bootstrap})
        assert "kafka.bootstrap (TRIMTAB_KAFKA__BOOTSTRAP): expected HOST:PORT" in message


def test_an_address_of_kafka_with_a_password_in_it_is_not_repeated() -> None:
    assert "expected HOST:PORT" in refused({"TRIMTAB_KAFKA__BOOTSTRAP": f"me:{SECRET}@kafka:9092"})


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}, "kafka.sasl.mechanism"),
        ({"KAFKA__SASL__PASSWORD": SECRET}, "kafka.security_protocol"),
        ({"KAFKA__TLS__CHECK_HOSTNAME": "false"}, "kafka.security_protocol"),
        ({"KAFKA__SASL__MECHANISM": "PLAIN", "KAFKA__SASL__PASSWORD": SECRET}, "kafka.sasl.username"),
        ({"KAFKA__SASL__MECHANISM": "SCRAM-SHA-256", "KAFKA__SASL__USERNAME": "me"}, "kafka.sasl.password"),
        ({"KAFKA__SASL__MECHANISM": "OAUTHBEARER"}, "kafka.sasl.oauth.token_endpoint"),
        ({"KAFKA__SASL__OAUTH__TOKEN_ENDPOINT": "https://x"}, "kafka.sasl.oauth.client_id"),
        ({"KAFKA__SASL__OAUTH__TOKEN_ENDPOINT": "ldap://x"}, "kafka.sasl.oauth.token_endpoint"),
        ({"KAFKA__SASL__OAUTH__TOKEN_FILE": "/nowhere"}, "kafka.sasl.oauth.token_file"),
        ({"KAFKA__TLS__CA_FILE": "/nowhere"}, "kafka.tls.ca_file"),
        ({"KAFKA__TLS__CERT_FILE": "/nowhere"}, "kafka.tls.key_file"),
        ({"KAFKA__TLS__KEY_PASSWORD": SECRET}, "kafka.tls.key_file"),
        ({"KAFKA__MIN_INSYNC_REPLICAS": "3", "KAFKA__REPLICATION": "2"}, "kafka.min_insync_replicas"),
        ({"KAFKA__HEARTBEAT_S": "6"}, "kafka.heartbeat_s"),
        ({"KAFKA__RETENTION__EVIDENCE_H": "1"}, "kafka.retention.evidence_h"),
        ({"REDIS__USERNAME": "me"}, "redis.password"),
        ({"REDIS__URL": f"redis://:{SECRET}@x", "REDIS__PASSWORD": SECRET}, "redis.password"),
        ({"REDIS__TLS__CHECK_HOSTNAME": "false"}, "redis.url"),
        ({"REDIS__SENTINEL_PASSWORD": SECRET}, "redis.url"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_by_the_one_to_change(
    variables: dict[str, str], told: str
) -> None:
    message = refused({f"TRIMTAB_{name}": value for name, value in variables.items()})
    assert f"{told} (TRIMTAB_{told.upper().replace('.', '__')}): expected" in message


@pytest.mark.parametrize("url", ["foo://:S@x", "S", "redis://:S@x:port", "redis://:S@", "redis://:S@x/one",
                                 "redis://:S@x?db=1", "redis://:S@x,y", "redis+sentinel://:S@x", "unix://",
                                 "redis+cluster://:S@x/3", "redis://:S@[x"])  # fmt: skip
def test_an_address_of_redis_that_is_none_is_refused_without_its_password(url: str) -> None:
    message = refused({"TRIMTAB_REDIS__URL": url.replace("S", SECRET)})
    assert "redis.url (TRIMTAB_REDIS__URL): expected a URL" in message


def test_an_unknown_variable_is_refused_with_the_one_that_was_meant() -> None:
    message = refused({"TRIMTAB_KAFKA__BOTSTRAP": "broker:9092", "TRIMTAB_NONSENSE": SECRET, "OTHER": "x"})
    assert "TRIMTAB_KAFKA__BOTSTRAP: there is no such setting; did you mean TRIMTAB_KAFKA__BOOTSTRAP?" in message
    assert "TRIMTAB_NONSENSE: there is no such setting" in message
    assert "OTHER" not in message


def test_an_unknown_name_in_the_file_is_refused_with_the_one_that_was_meant(tmp_path: Path) -> None:
    file = settings_file(tmp_path, f"kafka: {{sasl: {{pasword: {SECRET}}}}}\nfould: {{}}")
    message = refused({}, file)
    assert f"{file}: kafka.sasl.pasword: there is no such setting; did you mean kafka.sasl.password?" in message
    assert f"{file}: fould: there is no such setting" in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kafka: 3", "kafka: expected a mapping of settings, got int"),
        ("- a", "expected a mapping of settings, got list"),
        (f"kafka: {{sasl: {{password: {SECRET}", "expected YAML: cannot be read at line"),
        ("watchdog_s: [1]", "watchdog_s (TRIMTAB_WATCHDOG_S): "),
    ],
)
def test_a_file_that_is_none_of_settings_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in refused({}, settings_file(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/none.yaml: expected a file of settings" in refused({}, tmp_path / "none.yaml")
    assert "/none.yaml: expected" in refused({"TRIMTAB_CONFIG": "/none.yaml"})


def test_an_empty_file_and_empty_sections_set_nothing(tmp_path: Path) -> None:
    assert read_settings(settings_file(tmp_path, ""), variables={}) == Settings()
    assert read_settings(settings_file(tmp_path, "kafka:\nredis: {password:}"), variables={}) == Settings()


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    by_environment = read_settings(variables={"TRIMTAB_REDIS__PASSWORD_FILE": str(secret)})
    by_file = read_settings(settings_file(tmp_path, f"redis: {{password_file: {secret}}}"), variables={})
    for settings in (by_environment, by_file):
        assert settings.redis.secret == SECRET


def test_a_secret_of_the_environment_wins_over_a_file_of_the_settings_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("other")
    file = settings_file(tmp_path, f"redis: {{password_file: {secret}}}")
    assert read_settings(file, variables={"TRIMTAB_REDIS__PASSWORD": SECRET}).redis.secret == SECRET


def test_a_secret_given_twice_or_in_a_file_that_is_not_there_is_refused() -> None:
    twice = {"TRIMTAB_REDIS__PASSWORD": SECRET, "TRIMTAB_REDIS__PASSWORD_FILE": "/nowhere"}
    assert "redis.password_file (TRIMTAB_REDIS__PASSWORD_FILE): expected either it or redis.password" in refused(twice)
    missing = refused({"TRIMTAB_REDIS__PASSWORD_FILE": "/nowhere"})
    assert "redis.password_file (TRIMTAB_REDIS__PASSWORD_FILE): expected a file that holds the secret" in missing


def secrets() -> dict[str, str]:
    return {
        "TRIMTAB_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "TRIMTAB_KAFKA__SASL__MECHANISM": "PLAIN",
        "TRIMTAB_KAFKA__SASL__USERNAME": "me",
        "TRIMTAB_KAFKA__SASL__PASSWORD": SECRET,
        "TRIMTAB_KAFKA__SASL__OAUTH__CLIENT_SECRET": SECRET,
        "TRIMTAB_REDIS__URL": f"redis+sentinel://me:{SECRET}@a:1,b:2/main/0",
        "TRIMTAB_REDIS__SENTINEL_PASSWORD": SECRET,
    }


def test_no_secret_is_shown_by_any_way_of_printing() -> None:
    settings = read_settings(variables=secrets())
    for text in (
        repr(settings),
        str(settings),
        yaml.safe_dump(shown(settings)),
        settings.model_dump_json(include={"kafka"}),
    ):
        assert SECRET not in text
    assert shown(settings)["redis"]["url"] == "redis+sentinel://me:********@a:1,b:2/main/0"
    assert set(shown(settings)["kafka"]["sasl"]["password"]) == {"*"}
    assert shown(settings)["redis"]["password"] is None


def test_a_secret_of_the_wrong_type_is_refused_without_it(tmp_path: Path) -> None:
    message = refused({}, settings_file(tmp_path, "redis: {password: 4711}"))
    assert "redis.password (TRIMTAB_REDIS__PASSWORD): expected a valid string; what came is not shown" in message
    assert "4711" not in message


def test_every_setting_has_a_meaning_and_the_documentation_is_up_to_date() -> None:
    assert [entry.name for entry in ENTRIES.values() if not entry.meaning] == []
    documented = Path(__file__).parents[2] / "docs" / "settings.md"
    assert documented.read_text() == markdown(), "run: python -m trimtab.streams.setting_table > docs/settings.md"


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", markdown(), re.DOTALL)
    assert found is not None
    message = refused({}, settings_file(tmp_path, found[1]))
    # All that is wrong with it here is that its files are not on this machine.
    assert {line.split(" ")[0] for line in message.splitlines()} == {"kafka.sasl.password_file", "redis.password_file"}


def test_settings_are_read_without_faust_and_numpy() -> None:
    program = (
        "import sys; from trimtab.streams.settings_source import read_settings; read_settings(variables={});"
        "print(sorted({'faust', 'numpy', 'aiokafka', 'redis', 'confluent_kafka'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
