"""The `trimtab` command as a person or a script meets it."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
import yaml
from redis import Redis

from trimtab.control.console_out import console
from trimtab.control.release_view import Releases
from trimtab.control.show import sidecars_table
from trimtab.schemas import decision as decisions
from trimtab.schemas import sidecar as sidecars
from trimtab.schemas import worker
from trimtab.schemas.decision import Arm, Decision, Phase, Seen
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.redis_keys import RELEASES, sidecar_key, weights_key, worker_key
from trimtab.schemas.release import Release
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.worker import WorkerReport
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.layout import embedded_topics

NOBODY = "127.0.0.1:1"

RELEASE = """\
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  strategy: {type: bandit}
"""


def trimtab(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.control.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def release_file(folder: Path, text: str = RELEASE) -> Path:
    file = folder / "checkout.yaml"
    file.write_text(text)
    return file


def publish(redis: EmbeddedRedis, name: str = "checkout") -> Decision:
    """Puts a decision where the worker would."""
    arms = [
        Arm(
            variant=variant, weight=weight, trials=10, reward_sum=9.0, alpha=10.0, beta=2.0, mean=10 / 12,
            probability_best=0.5, requests=10, responses=10, errors=1, in_flight=0, error_ratio=0.1, p50_ms=12.0,
            p99_ms=None,
        )
        for variant, weight in (("v1", 7_500), ("v2", 2_500))
    ]  # fmt: skip
    made = Decision(
        release=name, era=7, revision=42, replaces=(7, 41), time_ms=1_700_000_000_000, phase=Phase.PROGRESSING,
        strategy="bandit", weights={"v1": 7_500, "v2": 2_500}, rule="bandit: weights follow P(best)",
        reasons=["bandit: weights follow P(best)"], arms=arms, assessments=[],
        seen=Seen(offset=41, sources={"0": 3}, counted=20, late=1, dead_lettered=2),
    )  # fmt: skip
    document = Release.model_validate(yaml.safe_load(RELEASE)).document()
    with Redis.from_url(redis.url) as client:
        fields = {"era": 7, "revision": 42, "weights": "{}", "decision": decisions.encode(made), "spec": document}
        client.hset(weights_key(name), mapping=fields)
        client.sadd(RELEASES, name)
        report = WorkerReport(worker="w", events=20, refused={}, decisions=1, written=1, time_ms=made.time_ms)
        client.set(worker_key("w"), worker.encode(report))
    return made


def test_version_is_that_of_the_distribution() -> None:
    assert trimtab("version").stdout == f"{version('trimtab')}\n"
    told = json.loads(trimtab("version", "-o", "json").stdout)
    assert told == {"version": version("trimtab"), "python": platform.python_version(), "apiVersion": "trimtab.dev/v1"}


def test_schema_prints_all_schemas_or_one() -> None:
    known = json.loads(trimtab("schema").stdout)
    assert {"release", "telemetry-columns", "evidence", "decision", "weights", "dead-letter"} <= known.keys()
    assert json.loads(trimtab("schema", "release").stdout) == known["release"]


def test_an_unknown_schema_is_refused_with_the_names_that_exist() -> None:
    refused = trimtab("schema", "relase")
    assert refused.returncode == 2
    assert "no schema 'relase'; there are release," in refused.stderr


def test_a_mistake_in_a_release_file_names_file_line_and_field_and_applies_nothing(
    tmp_path: Path, redis: EmbeddedRedis
) -> None:
    with EmbeddedKafka(embedded_topics()) as kafka:
        good = release_file(tmp_path)
        bad = tmp_path / "bad.yaml"
        bad.write_text(RELEASE.replace("baseline: v1", "baseline: v3").replace("name: checkout", "name: cart"))
        refused = trimtab("apply", "-f", good, "-f", bad, "--kafka", kafka.bootstrap, "--redis", redis.url)
        assert refused.returncode == 2
        assert refused.stdout == ""
        assert f"{bad}:5: spec.baseline: expected one of the variants v1, v2, got 'v3'" in refused.stderr
        applied = trimtab("apply", "-f", good, "--kafka", kafka.bootstrap, "--redis", redis.url)
        assert (applied.returncode, applied.stdout) == (0, "checkout created\n")


def test_a_release_that_is_already_so_is_unchanged(tmp_path: Path, redis: EmbeddedRedis) -> None:
    publish(redis)
    same = trimtab("apply", "-f", release_file(tmp_path), "--kafka", NOBODY, "--redis", redis.url)
    assert (same.returncode, same.stdout) == (0, "checkout unchanged\n")


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (("get", "releases", "--redis", f"redis://:secret@{NOBODY}"), f"redis at {NOBODY}"),
        (("get", "release", "checkout", "--redis", f"redis://{NOBODY}"), f"redis at {NOBODY}"),
        (("worker", "--kafka", NOBODY, "--wait", "0.5"), f"kafka at {NOBODY}"),
    ],
)
def test_a_server_that_is_away_is_named_without_its_password(arguments: tuple[str, ...], address: str) -> None:
    refused = trimtab(*arguments)
    assert refused.returncode == 3
    assert address in refused.stderr
    assert "secret" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_apply_waits_for_kafka_and_gives_up_in_time(tmp_path: Path, redis: EmbeddedRedis) -> None:
    refused = trimtab("apply", "-f", release_file(tmp_path), "--kafka", NOBODY, "--redis", redis.url, "--wait", "1")
    assert refused.returncode == 3
    assert f"kafka at {NOBODY}" in refused.stderr
    assert refused.stdout == ""


def test_an_unknown_release_is_said_on_standard_error(redis: EmbeddedRedis) -> None:
    missing = trimtab("get", "release", "nobody", "--redis", redis.url)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "no release 'nobody'" in missing.stderr


def test_get_release_gives_spec_and_status_as_json_and_yaml(redis: EmbeddedRedis) -> None:
    publish(redis)
    as_json = json.loads(trimtab("get", "release", "checkout", "-o", "json", "--redis", redis.url).stdout)
    as_yaml = yaml.safe_load(trimtab("get", "release", "checkout", "-o", "yaml", "--redis", redis.url).stdout)
    assert as_json == as_yaml
    assert as_json["spec"]["baseline"] == "v1"
    assert as_json["status"]["decision"]["weights"] == {"v1": 7_500, "v2": 2_500}


def test_get_releases_lists_each_with_phase_and_weights(redis: EmbeddedRedis) -> None:
    publish(redis)
    listed = trimtab("get", "releases", "--redis", redis.url).stdout
    assert "checkout" in listed
    assert "progressing" in listed
    assert {"v1=7500", "v2=2500"} <= set(listed.split())


def overwrite(redis: EmbeddedRedis, decision: bytes, name: str = "checkout") -> None:
    with Redis.from_url(redis.url) as client:
        client.hset(weights_key(name), "decision", decision)


def newer(record: msgspec.Struct) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(record) | {"v": 99, "phase": "levitating"})


def test_a_release_of_a_newer_version_is_not_shown_but_told_with_what_helps(redis: EmbeddedRedis) -> None:
    overwrite(redis, newer(publish(redis)))
    for watching in ((), ("-w",)):
        refused = trimtab("get", "release", "checkout", *watching, "--redis", redis.url)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            "trimtab: release checkout: a decision of version 99: expected at most 2; upgrade trimtab here\n"
        )


@pytest.mark.parametrize("decision", [b"", b"garbage", b"{}"])
def test_a_decision_that_cannot_be_read_is_told_in_one_line(redis: EmbeddedRedis, decision: bytes) -> None:
    publish(redis)
    overwrite(redis, decision)
    refused = trimtab("get", "release", "checkout", "--redis", redis.url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("trimtab: release checkout: not a decision: ")
    assert refused.stderr.count("\n") == 1


def test_a_release_that_cannot_be_read_does_not_hide_the_others(redis: EmbeddedRedis) -> None:
    publish(redis, "cart")
    overwrite(redis, newer(publish(redis)))
    listed = trimtab("get", "releases", "--redis", redis.url)
    assert listed.returncode == 1
    assert "cart" in listed.stdout
    assert "checkout" not in listed.stdout
    assert "trimtab: release checkout: a decision of version 99" in listed.stderr


def test_the_words_of_a_proxy_are_shown_as_they_are_and_order_nothing(
    redis: EmbeddedRedis, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(redis)
    words = '[emerg] open "[/etc/a]" [bold]b :smile:'
    report = SidecarReport(sidecar="a", proxy="exec", release="checkout", refused=f"\x1b[31m{words}\x1b]0;title\x07")
    with Redis.from_url(redis.url) as client:
        client.set(sidecar_key("checkout", "a"), sidecars.encode(report))
    view = Releases(redis.url).get("checkout")
    assert view is not None
    console().print(sidecars_table([view]))
    shown = capsys.readouterr().out
    assert words in shown
    assert not {"\x1b", "\x07"} & set(shown)


def test_a_sidecar_of_a_release_that_is_none_is_told(redis: EmbeddedRedis) -> None:
    publish(redis)
    with Redis.from_url(redis.url) as client:
        for name in ("checkout", "checkuot"):
            report = SidecarReport(sidecar="edge", proxy="envoy", release=name)
            client.set(sidecar_key(name, "edge"), sidecars.encode(report))
    assert Releases(redis.url).strays() == ["sidecar edge: follows 'checkuot', and there is no such release"]
    shown = trimtab("get", "sidecars", "--redis", redis.url)
    assert (shown.returncode, "edge" in shown.stdout) == (1, True)
    assert shown.stderr == "trimtab: sidecar edge: follows 'checkuot', and there is no such release\n"


def test_a_key_of_another_type_hides_no_other(redis: EmbeddedRedis) -> None:
    publish(redis, "cart")
    report = SidecarReport(sidecar="a", proxy="envoy", release="cart", in_force=(7, 42))
    with Redis.from_url(redis.url) as client:
        client.set(weights_key("ghost"), "no hash")
        client.set(sidecar_key("cart", "a"), sidecars.encode(report))
        client.hset(sidecar_key("cart", "b"), "no", "report")
    releases = Releases(redis.url)
    with pytest.raises(InvalidRecord, match=r"trimtab:\{ghost\}:weights in Redis: expected a hash, got another type"):
        releases.get("ghost")
    for view in (releases.get("cart"), releases.get("cart", releases.sidecars()["cart"])):
        assert view is not None
        assert [one.sidecar for one in view.sidecars] == ["a"]
        assert [line.partition(":")[0] for line in view.unread] == ["b"]


def test_a_sidecar_of_a_newer_version_is_named_beside_those_that_can_be_read(redis: EmbeddedRedis) -> None:
    publish(redis)
    reports = [SidecarReport(sidecar=name, proxy="envoy", release="checkout", in_force=(7, 42)) for name in ("a", "b")]
    with Redis.from_url(redis.url) as client:
        client.set(sidecar_key("checkout", "a"), sidecars.encode(reports[0]))
        client.set(sidecar_key("checkout", "b"), newer(reports[1]))
    told = "b: a sidecar's report of version 99: expected at most 1; upgrade trimtab here"
    shown = trimtab("get", "release", "checkout", "--redis", redis.url)
    assert shown.returncode == 0
    assert "sidecar a: revision 42 in force" in shown.stdout
    assert f"sidecar {told}" in " ".join(shown.stdout.split())
    status = json.loads(trimtab("get", "release", "checkout", "-o", "json", "--redis", redis.url).stdout)["status"]
    assert [report["sidecar"] for report in status["sidecars"]] == ["a"]
    assert status["unread"] == [told]


def test_a_wrong_setting_of_a_worker_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_FOLD__FLUSH_MS", "soon")
    refused = trimtab("worker")
    assert refused.returncode == 2
    assert "fold.flush_ms" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("option", ["--duration", "--rps"])
def test_a_demo_out_of_its_range_is_refused(option: str) -> None:
    refused = trimtab("demo", option, "0")
    assert refused.returncode == 2
    assert f"{option.strip('-')}: expected" in refused.stderr


@pytest.mark.parametrize("url", ["foo://:secret@x", "nonsense", "redis://x:port", "redis://"])
@pytest.mark.parametrize("command", [("get", "releases"), ("worker",)])
def test_an_address_that_is_none_is_refused_without_its_password(url: str, command: tuple[str, ...]) -> None:
    refused = trimtab(*command, "--redis", url)
    assert refused.returncode == 2
    assert "expected a URL" in " ".join(refused.stderr.split())
    assert "secret" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_settings_in_force_are_shown_with_their_secrets_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trimtab.yaml"
    file.write_text("kafka: {group: mine}\nredis: {url: 'redis://me:geheim@a:1/0', sentinel_username: ''}")
    monkeypatch.setenv("TRIMTAB_KAFKA__RACK", "east")
    shown = trimtab("config", "show", "--config", file, "--kafka", "b:2")
    assert shown.returncode == 0
    settings = yaml.safe_load(shown.stdout)
    kafka = settings["kafka"]
    assert (kafka["bootstrap"], kafka["group"], kafka["rack"]) == ("b:2", "mine", "east")
    assert settings["redis"]["url"] == "redis://me:********@a:1/0"
    assert json.loads(trimtab("config", "show", "--config", file, "--kafka", "b:2", "-o", "json").stdout) == settings


@pytest.mark.parametrize(
    "command",
    [
        ("worker",), ("get", "releases"), ("get", "release", "x"), ("apply", "-f", "x"), ("config", "show"),
        ("sidecar", "envoy", "--release", "x", "--socket", "x"),
    ],
)  # fmt: skip
def test_every_command_refuses_a_setting_that_does_not_exist(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_KAFKA__BOTSTRAP", "a:1")
    refused = trimtab(*command)
    assert refused.returncode == 2
    assert "TRIMTAB_KAFKA__BOTSTRAP: there is no such setting; did you mean" in refused.stderr
    assert "Traceback" not in refused.stderr
