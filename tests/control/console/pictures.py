"""Takes the pictures of docs/images from the demo in a real Chromium:

cd tests && ../.venv/bin/python -m control.console.pictures
"""

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


def _rolled_back(browser: Browser, address: str) -> None:
    with visit(browser, address, theme="dark", width=_WIDTH) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("h1")).to_contain_text("Rolled back", timeout=60_000)
        expect(page.locator("#sidecars")).to_contain_text("in step")
        _take(page, "rolled-back", height=1_000)


def _bandit(browser: Browser, address: str) -> None:
    with visit(browser, address, width=_WIDTH) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("#variants tr[data-key=v2]")).to_contain_text("> 99.9%", timeout=90_000)
        _take(page, "bandit", height=1_000)
        page.set_viewport_size({"width": _PHONE, "height": 844})
        _take(page, "phone", height=844)


def _take(page: Page, name: str, *, height: int) -> None:
    page.set_viewport_size({"width": (page.viewport_size or {"width": _WIDTH})["width"], "height": height})
    page.evaluate("document.fonts.ready")
    page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
