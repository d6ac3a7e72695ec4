"""Metrics as they are documented, alerted on and drawn: each name exists, and each one is described."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.metric_names import Told, told
from trimtab.schemas.address import Address
from trimtab.sidecar.metrics import REASONS
from trimtab.streams.decision_kind import ACTIONS
from trimtab.streams.latency import STAGES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCS = (ROOT / "docs" / "metrics.md").read_text()
RULES = DEPLOY / "prometheus" / "alerts.yaml"
RULE_TESTS = DEPLOY / "prometheus" / "alerts.test.yaml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]

TOLD = told()
ROW = re.compile(r"^\| `(trimtab_\w+)` \| (\w+) \|(.*?)\| ", re.MULTILINE)


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def metrics_in(text: str) -> set[str]:
    """The names of metrics in an expression, those of a histogram's series as that of the histogram."""
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\btrimtab_\w+", text)}


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


def test_every_metric_is_documented_with_type_and_labels_and_every_one_documented_exists() -> None:
    documented = {
        Told(name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(DOCS)
    }
    assert documented == TOLD


def test_the_closed_sets_of_labels_are_documented() -> None:
    for label in (*ACTIONS, *REASONS, *STAGES):
        assert f"`{label}`" in DOCS


def test_every_alert_is_documented_with_its_severity_and_every_one_documented_exists() -> None:
    documented = re.findall(r"^\| `(Trimtab\w+)` \| (\w+) \|", DOCS, re.MULTILINE)
    assert documented == [(rule["alert"], rule["labels"]["severity"]) for rule in alerts()]


def test_every_metric_in_a_rule_or_its_test_exists() -> None:
    used = {name for rule in alerts() for name in metrics_in(rule["expr"])}
    assert used <= {metric.name for metric in TOLD}
    assert metrics_in(re.sub(r"`trimtab .*?`", "", RULE_TESTS.read_text())) <= {metric.name for metric in TOLD}


def test_every_alert_is_tried() -> None:
    tried = {
        rule["alertname"]
        for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]
        for rule in test["alert_rule_test"]
    }
    assert tried == {rule["alert"] for rule in alerts()}


def test_every_metric_on_the_dashboard_exists() -> None:
    used = {name for expression in expressions() for name in metrics_in(expression)}
    assert len(used) > 15
    assert used <= {metric.name for metric in TOLD}


def test_every_label_that_is_selected_or_grouped_by_is_one_of_the_metrics() -> None:
    known = {label for metric in TOLD for label in metric.labels} | {"le", "instance", "job"}
    for text in (*expressions(), *(rule["expr"] for rule in alerts())):
        grouped = {label for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", text) for label in group.split(", ")}
        selected = set(re.findall(r"[{,] ?(\w+)=", text))
        assert (grouped | selected) - {""} <= known, text


def test_panels_have_ids_of_their_own_titles_and_room() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert all(panel["title"] for panel in panels)


def test_the_dashboard_reads_from_the_data_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasource.yaml").read_text())["datasources"]
    uids = set(re.findall(r'"uid": "([^"]+)"', json.dumps({**DASHBOARD, "uid": source["uid"]})))
    assert uids == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounts = COMPOSE["grafana"]["volumes"]
    assert any(mount.startswith("./grafana/dashboard.json:" + provider["options"]["path"] + "/") for mount in mounts)


def test_prometheus_asks_where_worker_and_sidecar_answer() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    worker, sidecar = config["scrape_configs"]
    command = COMPOSE["worker"]["command"]
    assert worker["dns_sd_configs"][0]["names"] == ["worker"]
    assert worker["dns_sd_configs"][0]["port"] == Address.parse(command[command.index("--health") + 1]).port
    command = COMPOSE["sidecar"]["command"]
    (target,) = sidecar["static_configs"][0]["targets"]
    assert target == f"sidecar:{Address.parse(command[command.index('--metrics') + 1]).port}"
    assert config["rule_files"] == [COMPOSE["prometheus"]["volumes"][1].split(":")[1]]


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not here (Debian: apt-get install prometheus)"
)
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", RULES),
        ("test", "rules", RULE_TESTS),
        ("check", "config", "--syntax-only", DEPLOY / "prometheus" / "prometheus.yaml"),
    ],
    ids=["check-rules", "test-rules", "check-config"],
)
def test_promtool_takes_the_rules_and_their_tests_pass(arguments: tuple[str | Path, ...]) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)  # noqa: S607 - whichever is there
    assert done.returncode == 0, done.stdout + done.stderr
