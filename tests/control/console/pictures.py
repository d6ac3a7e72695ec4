"""Takes the pictures of docs/images from the demo in a real Chromium:

cd tests && ../.venv/bin/python -m control.console.pictures
"""

import json
import urllib.request
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from control.console.browser import chromium, visit
from control.console.demo import demo

IMAGES: Final = Path(__file__).resolve().parents[3] / "docs" / "images"
_WIDTH: Final = 1280
_PHONE: Final = 390


def main() -> None:
    """Writes them."""
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        with demo("--scenario", "faulty", "--duration", "30") as running:
            _rolled_back(browser, running.address)
        with demo("--scenario", "better", "--strategy", "bandit", "--duration", "60") as running:
            _bandit(browser, running.address)
            _list(browser, running.address)
        with demo("--scenario", "models", where="digits") as running:
            _models(browser, running.address)


def _rolled_back(browser: Browser, address: str) -> None:
    with visit(browser, address, theme="dark", width=_WIDTH) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("h1")).to_contain_text("Rolled back")
        expect(page.locator("#sidecars")).to_contain_text("in step")
        _take(page, "rolled-back", height=1_000)


def _bandit(browser: Browser, address: str) -> None:
    with visit(browser, address, width=_WIDTH) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("#variants tr[data-key=v2]")).to_contain_text("> 99.9%", timeout=90_000)
        _take(page, "bandit", height=1_000)
        page.set_viewport_size({"width": _PHONE, "height": 844})
        _take(page, "phone", height=844)


def _list(browser: Browser, address: str) -> None:
    """The list, with two releases beside the demo's own that somebody has steered."""
    _ask("PUT", f"{address}/api/v1/releases/search", _file("search", {"type": "canary", "steps": [500, 2_500]}))
    _ask("PUT", f"{address}/api/v1/releases/recommend", _file("recommend", {"type": "blueGreen"}))
    _ask("POST", f"{address}/api/v1/releases/search/commands", {"action": "pause", "reason": "a sale begins"})
    shares = {"action": "set-weights", "weights": {"v1": 7_000, "v2": 3_000}, "reason": "to see it under load"}
    _ask("POST", f"{address}/api/v1/releases/search/commands", shares)
    abort = {"action": "abort", "reason": "v2 writes wrong totals"}
    _ask("POST", f"{address}/api/v1/releases/recommend/commands", abort)
    with visit(browser, address, width=_WIDTH) as seen:
        page = seen.open()
        expect(page.get_by_role("row").filter(has_text="recommend")).to_contain_text("Rolled back")
        expect(page.get_by_role("row").filter(has_text="checkout")).to_contain_text("follow the policy")
        _take(page, "releases", height=480)


def _models(browser: Browser, address: str) -> None:
    with visit(browser, address, width=_WIDTH) as seen:
        page = seen.open("#/models")
        page.get_by_label("Which").fill("blessed and accuracy > 0.95")
        page.get_by_label("The best by").fill("accuracy")
        page.get_by_role("button", name="Choose").click()
        expect(page.get_by_text("2 of 4 fit.")).to_be_visible()
        _take(page, "models", height=560)


def _file(name: str, strategy: dict[str, object]) -> dict[str, object]:
    spec = {"baseline": "v1", "variants": [{"name": "v1"}, {"name": "v2"}], "strategy": strategy}
    return {"apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": name}, "spec": spec}


def _ask(method: str, url: str, body: object) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)  # noqa: S310 - the demo's
    with urllib.request.urlopen(request):  # noqa: S310 - as above
        pass


def _take(page: Page, name: str, *, height: int) -> None:
    page.set_viewport_size({"width": (page.viewport_size or {"width": _WIDTH})["width"], "height": height})
    page.evaluate("document.fonts.ready")
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
