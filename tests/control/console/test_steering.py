"""The console in Chromium, on a worker, with the traffic of the demo where there is any."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect

from control.api.api_rig import ApiServer
from control.console.browser import THEMES, needs_browser, visit
from control.console.demo import demo
from integration import worker_rig
from integration.worker_rig import WorkerRig
from trimtab.control.apply import apply_file

pytestmark = [pytest.mark.browser, needs_browser]

CANARY = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}, {name: v3}]
  limits: {maxStep: 10000}
  strategy: {type: canary, steps: [1000, 4000], hold: 1h}
"""
WIDTHS = (390, 1024)
DEMO_S = 25


@pytest.fixture
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as started:
        yield started


@contextmanager
def serving(rig: WorkerRig) -> Iterator[str]:
    server = ApiServer(rig.folder / "serve.log", rig.kafka, rig.redis)
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.end()


def test_a_release_is_promoted_set_and_aborted_by_buttons(rig: WorkerRig, browser: Browser) -> None:
    file = rig.folder / "checkout.yaml"
    file.write_text(CANARY)
    apply_file(file, kafka=rig.kafka, wait_s=120)
    rig.start_worker()
    while rig.decision() is None:
        time.sleep(worker_rig.LOOK_S)  # between two looks, not instead of one
    with serving(rig) as address, visit(browser, address) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("#standing [aria-current=step]")).to_have_text("10%")

        page.get_by_role("button", name="Promote", exact=True).click()
        page.get_by_label("Why").fill("as good as v1")
        page.get_by_role("dialog").get_by_role("button", name="Promote").click()
        expect(page.locator("#standing [aria-current=step]")).to_have_text("40%")
        expect(page.locator(".log")).to_contain_text("as good as v1")

        page.get_by_role("button", name="Set weights").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("v2").fill("70")
        expect(dialog.get_by_role("status")).to_have_text("together 150%, expected 100%")
        expect(dialog.get_by_role("button", name="Set weights")).to_be_disabled()
        assert seen.violations() == []
        dialog.get_by_label("v1").fill("10")
        dialog.get_by_role("button", name="Set weights").click()
        expect(dialog).to_be_visible()  # for a reason is required
        dialog.get_by_label("Why").fill("to see it under load")
        dialog.get_by_role("button", name="Set weights").click()
        expect(page.locator("h1")).to_contain_text("Paused")
        expect(page.locator("#variants tr[data-key=v2]")).to_contain_text("70%")

        page.get_by_role("button", name="Exclude").click()
        expect(dialog.get_by_label("Which variant").get_by_role("option")).to_have_text(["v2", "v3"])
        dialog.get_by_label("Which variant").select_option("v3")
        dialog.get_by_label("Why").fill("its data were withdrawn")
        dialog.get_by_role("button", name="Exclude").click()
        expect(page.locator("#variants")).to_contain_text("v3 takes no traffic: ")

        page.get_by_role("button", name="Abort").click()
        dialog.get_by_label("Why").fill("v2 writes wrong totals")
        dialog.get_by_role("button", name="Abort").click()
        expect(page.locator("h1")).to_contain_text("Rolled back")
        expect(page.locator(".page-head")).to_contain_text("It is over: all traffic is back on v1.")
        expect(page.get_by_role("group", name="Steer this release").get_by_role("button")).to_have_text(["Retry"])
        expect(page.locator("#audit li").first).to_contain_text("v2 writes wrong totals")
        expect(page.locator("#audit li b")).to_have_text(["abort", "exclude", "set-weights", "promote", "apply"])
    decision = rig.decision()
    assert decision is not None
    assert decision.weights == {"v1": 10_000, "v2": 0, "v3": 0}


def test_the_demo_is_seen_to_roll_back_a_faulty_release(browser: Browser) -> None:
    with demo("--scenario", "faulty", "--duration", str(DEMO_S), "--rps", "100") as running:
        _watch(browser, running.address)
        _examine(browser, running.address)
        _suppose(browser, running.address)
        while "The console stays until Ctrl-C" not in running.program.output:
            assert running.program.is_running, running.program.output
            time.sleep(worker_rig.LOOK_S)  # between two looks, not instead of one
        assert "✔ Verdict: rolled back" in running.program.output
        assert running.program.end() == 0


def _watch(browser: Browser, address: str) -> None:
    with visit(browser, address) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("h1")).to_contain_text("Progressing")
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.locator("h1")).to_contain_text("Rolled back")
        expect(page.locator(".page-head")).to_contain_text("guardrail: v3 excluded, error_rate over 10s is")
        expect(page.locator("#variants")).to_contain_text("v2 takes no traffic: error_rate over 10s is")
        expect(page.locator("#sidecars")).to_contain_text("1 of 1 in step")
        page.locator(".entry summary").first.click()
        expect(page.locator(".arithmetic").first).to_contain_text("Weights, in basis points")
        expect(page.locator("#weights .plot")).to_have_attribute("aria-label", re.compile("Now v1 100%, v2 0%, v3 0%"))


def _examine(browser: Browser, address: str) -> None:
    """Holds both pages to what they owe to everybody: axe finds nothing, and nothing is cut off."""
    for theme in THEMES:
        for where in ("", "#/releases/checkout"):
            with visit(browser, address, theme=theme) as seen:
                page = seen.open(where)
                expect(page.get_by_text("Rolled back").first).to_be_visible(timeout=20_000)
                assert seen.violations() == [], (theme, where)
                for width in WIDTHS:
                    page.set_viewport_size({"width": width, "height": 844})
                    assert seen.overflow() == 0, (where, width)


def _suppose(browser: Browser, address: str) -> None:
    """Asks what another strategy would have made of the same evidence."""
    with visit(browser, address, may_refuse=422) as seen:
        page = seen.open("#/releases/checkout")
        panel = page.get_by_role("region", name="What if")
        panel.get_by_role("textbox").fill('{"limits": {"maxStep": 0}}')
        panel.get_by_role("button", name="What if").click()
        expect(panel.get_by_role("alert")).to_contain_text("spec.limits.maxStep")
        panel.get_by_role("textbox").fill('{"strategy": {"type": "canary", "steps": [4000]}}')
        panel.get_by_role("button", name="What if").click()
        expect(panel.get_by_role("heading", name="As it would have been")).to_be_visible(timeout=60_000)
        assert panel.get_by_role("img").count() == len(("was", "would have been"))
        assert seen.violations() == []
        panel.get_by_text("In words").click()
        expect(panel.locator(".arithmetic")).to_contain_text("What this can know")
