"""A real Chromium, and what it says of a page."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser: Final = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the PATH; on Debian and Ubuntu .ci/servers installs it"
)
PATIENCE_MS: Final = 60_000
"""when to give up waiting for a page, on however slow a machine"""
expect.set_options(timeout=PATIENCE_MS)
THEMES: Final = ("light", "dark")
_LOST: Final = re.compile(r"net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|CONNECTION_RESET)")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Starts one without a screen; it ends with the block."""
    with sync_playwright() as playwright:
        # --no-sandbox: in containers there is no user namespace to make one of.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One person's visit: a page, every request that it made, and everything that it complained of."""

    def __init__(self, context: BrowserContext, address: str, may_refuse: int) -> None:
        self.address = address
        self._may_refuse = f"status of {may_refuse}"
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        context.on("request", self._ask)
        context.on("console", self._say)
        context.on("weberror", self._fail)
        self.page: Page = context.new_page()

    def _ask(self, request: Request) -> None:
        self.requests.append(request)

    def _say(self, message: ConsoleMessage) -> None:
        # The browser itself tells of a server that is being started again, and of every answer that refuses.
        is_expected = _LOST.search(message.text) or self._may_refuse in message.text
        if message.type in ("error", "warning") and not is_expected:
            self.complaints.append(f"{message.text} {message.location['url']}")

    def _fail(self, error: WebError) -> None:
        self.complaints.append(str(error.error))

    def open(self, where: str = "") -> Page:
        self.page.goto(f"{self.address}/{where}")
        return self.page

    def foreign(self) -> list[str]:
        """Gives the addresses that are not of the server."""
        return [one.url for one in self.requests if not one.url.startswith((f"{self.address}/", "data:"))]

    def loaded(self) -> int:
        """Gives how many bytes of files came over the wire, headers left out."""
        files = [one for one in self.requests if "/api/" not in one.url]
        assert len(files) > 10
        return sum(int(one.sizes()["responseBodySize"]) for one in files)

    def violations(self) -> list[str]:
        """Gives what axe finds against accessibility."""
        found: dict[str, Any] = Axe().run(self.page).response
        return [f"{one['id']}: {node['html']}" for one in found["violations"] for node in one["nodes"]]

    def overflow(self) -> int:
        """Gives by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@contextmanager
def visit(
    browser: Browser, address: str, *, theme: str = "light", width: int = 1280, may_refuse: int = 0
) -> Iterator[Visit]:
    """Opens a window; every complaint of the page fails the test, but for answers of the status `may_refuse`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        seen = Visit(context, address, may_refuse)
        yield seen
        assert not seen.complaints, seen.complaints
        assert not seen.foreign(), seen.foreign()
    finally:
        context.close()
