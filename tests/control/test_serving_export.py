"""Weights for KServe and Seldon: the fields that their documents have, and no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from typer.testing import CliRunner, Result

from catalog.builders import node, put
from control.decisions import decision
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.control.cli import app
from trimtab.control.serving_export import NotExportable, kserve, seldon
from trimtab.schemas import decision as decisions
from trimtab.schemas import release_file
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.redis_keys import RELEASES, weights_key
from trimtab.schemas.release import Release
from trimtab.streams.embedded import EmbeddedRedis

KSERVE = {
    "apiVersion": str, "kind": str, "metadata": {"name": str, "annotations": dict},
    "spec": {
        "predictor": {"canaryTrafficPercent": int, "model": {"modelFormat": {"name": str}, "storageUri": str}}
    },
}  # fmt: skip
SELDON = {
    "apiVersion": str, "kind": str, "metadata": {"name": str, "annotations": dict},
    "spec": {
        "default": str, "candidates": [{"name": str, "weight": int}], "mirror": {"name": str, "percent": int},
    },
}  # fmt: skip
"""As their documents describe them, as far as we fill them."""
OPTIONAL = {"canaryTrafficPercent", "mirror"}


def fits(data: Any, shape: Any) -> bool:
    if isinstance(shape, dict):
        return set(data) <= set(shape) and set(shape) - set(data) <= OPTIONAL and all(
            fits(value, shape[name]) for name, value in data.items()
        )  # fmt: skip
    if isinstance(shape, list):
        return bool(data) and all(fits(one, shape[0]) for one in data)
    return type(data) is shape


def release(strategy: str = "{type: bandit}", more: str = "", model: str = "") -> Release:
    text = f"""
apiVersion: trimtab.dev/v1
kind: Release
metadata: {{name: checkout}}
spec:
  baseline: v1
  variants: [{{name: v1, target: iris}}, {{name: v2, target: iris2{model}}}{more}]
  strategy: {strategy}
"""
    return release_file.load(text, "f")[0]


def of(made: Release, of_: Decision) -> dict[str, Any]:
    return kserve(made, of_, storage_uri="gs://m/2", model_format="sklearn")


def test_the_candidate_has_its_weight_in_whole_percent_rounded_down() -> None:
    made = of(release(), decision(weights={"v1": 7_401, "v2": 2_599}))
    assert fits(made, KSERVE)
    assert made["spec"]["predictor"] == {
        "model": {"modelFormat": {"name": "sklearn"}, "storageUri": "gs://m/2"}, "canaryTrafficPercent": 25,
    }  # fmt: skip
    assert made["metadata"]["annotations"]["trimtab.dev/revision"] == "7.42"


def test_a_candidate_that_is_promoted_has_all_and_one_that_is_rolled_back_none() -> None:
    promoted = of(release(), decision(phase=Phase.PROMOTED, weights={"v1": 0, "v2": 10_000}))
    assert fits(promoted, KSERVE)
    assert "canaryTrafficPercent" not in promoted["spec"]["predictor"]
    held = of(release(), decision(phase=Phase.PROMOTED, weights={"v1": 500, "v2": 9_500}))
    assert held["spec"]["predictor"]["canaryTrafficPercent"] == 95
    back = of(release(), decision(phase=Phase.ROLLED_BACK, weights={"v1": 10_000, "v2": 0}))
    assert back["spec"]["predictor"]["canaryTrafficPercent"] == 0


def test_an_inference_service_has_no_room_for_three_variants() -> None:
    with pytest.raises(NotExportable, match=r"release checkout: an InferenceService has one candidate .* v1, v2, v3"):
        of(release(more=", {name: v3}"), decision())


def test_an_experiment_has_all_variants_with_their_weights() -> None:
    weights = {"v1": 7_000, "v2": 2_000, "v3": 1_000}
    made = seldon(release(more=", {name: v3}"), decision(weights=weights))
    assert fits(made, SELDON)
    assert made["spec"] == {
        "default": "iris",
        "candidates": [
            {"name": "iris", "weight": 7_000}, {"name": "iris2", "weight": 2_000}, {"name": "v3", "weight": 1_000},
        ],
    }  # fmt: skip


def test_a_shadow_is_mirrored_to_and_only_one_can_be() -> None:
    made = seldon(release("{type: shadow, duration: 1h}"), decision(weights={"v1": 10_000, "v2": 0}))
    assert fits(made, SELDON)
    assert made["spec"]["mirror"] == {"name": "iris2", "percent": 100}
    assert made["spec"]["candidates"] == [{"name": "iris", "weight": 10_000}]
    with pytest.raises(NotExportable, match="mirrors to one model, got iris2, v3"):
        seldon(release("{type: shadow, duration: 1h}", ", {name: v3}"), decision())


def test_weights_of_an_ensemble_are_no_shares_of_traffic() -> None:
    for export in (of, seldon):
        with pytest.raises(NotExportable, match="release checkout: every member of an ensemble answers every request"):
            export(release("{type: ensemble}"), decision())


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with EmbeddedRedis() as server, Redis.from_url(server.url) as client:
        segments = {"eu": {"v1": 5_000, "v2": 5_000}}
        for name, made, more in (
            ("checkout", release(model=", model: {ref: 'iris:2'}"), {}), ("plain", release(), {}),
            ("phones", release(model=', condition: "user-agent = Android"'), {"segments": segments}),
        ):  # fmt: skip
            fields = {"decision": decisions.encode(decision(release=name, **more)), "spec": made.document()}
            client.hset(weights_key(name), mapping=fields)
            client.sadd(RELEASES, name)
        yield server.url


def export(address: str, *words: str) -> Result:
    return CliRunner().invoke(app, ["export", *words, "--redis", address])


def test_the_commands_print_them_with_what_the_catalogue_knows(address: str, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "c.db")
    put(store, node("iris:2", uri="gs://m/2", tags={"format": "sklearn"}))
    store.close()
    url = f"sqlite:///{tmp_path / 'c.db'}"
    done = export(address, "kserve", "checkout", "--catalog", url, "--service", "iris")
    assert (done.exit_code, done.stderr) == (0, "")
    made = yaml.safe_load(done.stdout)
    assert fits(made, KSERVE)
    assert (made["metadata"]["name"], made["spec"]["predictor"]["canaryTrafficPercent"]) == ("iris", 25)
    assert fits(json.loads(export(address, "seldon", "checkout", "-o", "json").stdout), SELDON)
    given = export(address, "kserve", "plain", "--storage-uri", "s3://x", "--format", "onnx")
    assert yaml.safe_load(given.stdout)["spec"]["predictor"]["model"]["storageUri"] == "s3://x"


def test_what_a_model_server_cannot_be_told_is_warned_of(address: str) -> None:
    for words in (["seldon", "phones"], ["kserve", "phones", "--storage-uri", "s3://x", "--format", "onnx"]):
        done = export(address, *words)
        assert (done.exit_code, bool(done.stdout)) == (0, True)
        assert done.stderr.splitlines() == [
            "warning: release checkout: the weights are those of all traffic; its segments have their own: eu",
            "warning: release checkout: conditions are left out, those of v2",
        ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["kserve", "plain"], 2, "expected --storage-uri and --format"),
        (["kserve", "ghost"], 1, "no release 'ghost'"),
        (["seldon", "ghost"], 1, "no release 'ghost'"),
    ],
)
def test_what_cannot_be_exported_is_told(address: str, words: list[str], code: int, said: str) -> None:
    done = export(address, *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_redis_that_is_away_is_told() -> None:
    done = export("redis://127.0.0.1:1/0", "seldon", "x")
    assert (done.exit_code, done.stdout) == (3, "")
