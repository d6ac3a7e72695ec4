"""The pages of the audit log and of the catalogue in Chromium: what was changed by whom, and what models rest on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from control.api.api_rig import ApiRig, ApiServer, chain
from control.console.browser import THEMES, needs_browser, visit

pytestmark = [pytest.mark.browser, needs_browser]

EXAMPLE = (Path(__file__).parents[3] / "examples" / "models-digits.yaml").read_bytes()
MARKUP = "<img src=x onerror=document.title='struck'> & <b>so</b>"
V1 = "/api/v1"


@pytest.fixture(scope="module")
def rig() -> Iterator[ApiRig]:
    with ApiRig() as started:
        yield started


@pytest.fixture(scope="module")
def server(rig: ApiRig) -> ApiServer:
    rig.decide(*chain(1, 5))
    server = rig.serve(f"TRIMTAB_CATALOG__URL=sqlite:///{rig.folder / 'catalog.db'}")
    assert server.ask("POST", f"{V1}/models", EXAMPLE, {"Content-Type": "application/yaml"}).status == 200
    assert server.post(f"{V1}/models/dataset/labels-2026/revoke", {"reason": MARKUP}).status == 200
    return server


def address(server: ApiServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def go(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Where you are").get_by_role("link", name=name).click()


def test_who_changed_what_is_shown_with_why_and_what_came_of_it(server: ApiServer, browser: Browser) -> None:
    with visit(browser, address(server)) as seen:
        page = seen.open()
        go(page, "Audit")
        expect(page.get_by_role("heading", name="Audit")).to_be_visible()
        changes = page.get_by_role("region", name="Changes")
        expect(changes.get_by_role("listitem")).to_have_count(2)
        expect(changes.get_by_role("listitem").first).to_contain_text("revoke dataset/labels-2026 by")
        expect(changes).to_contain_text(MARKUP)
        expect(changes.get_by_role("listitem").last).to_contain_text("revision 1: created")
        expect(page.get_by_text("2 changes, newest first.")).to_be_visible()
        page.get_by_label("Filter by who, what or why").fill("register")
        expect(changes.get_by_role("listitem")).to_have_count(1)
        page.get_by_label("Filter by who, what or why").fill("nobody wrote this")
        expect(changes).to_contain_text("No change that was read fits the filter.")
        assert page.locator("main img").count() == 0


def test_models_are_listed_chosen_and_traced(server: ApiServer, browser: Browser) -> None:
    with visit(browser, address(server)) as seen:
        page = seen.open("#/models")
        models = page.get_by_role("list", name="Models")
        expect(models.get_by_role("listitem")).to_have_count(2)
        page.get_by_label("Which").fill("accuracy > 0.96")
        page.get_by_role("button", name="Choose").click()
        expect(page.get_by_text("1 of those in the catalogue fit.")).to_be_visible()
        expect(models).to_contain_text("accuracy 0.969 · accuracy of handwritten 0.94 · cost 3 · p99 13 ms")
        page.get_by_label("Which").fill("")
        page.get_by_label("The best by").fill("p99_ms")
        page.get_by_role("button", name="Choose").click()
        expect(page.get_by_text("Chosen: digits:2 · 1 of 2 fit.")).to_be_visible()
        models.get_by_role("link", name="digits:1").click()
        expect(page.get_by_role("heading", name="model/digits:1")).to_be_visible()
        page.get_by_role("link", name="dataset/labels-2026").click()
        expect(page.get_by_role("heading", name="dataset/labels-2026")).to_be_visible()
        expect(page.get_by_text(f": {MARKUP}")).to_be_visible()
        assert page.locator("main img").count() == 0


def test_a_wrong_query_is_told_in_the_servers_words(server: ApiServer, browser: Browser) -> None:
    with visit(browser, address(server), may_refuse=422) as seen:
        page = seen.open("#/models")
        page.get_by_label("Which").fill("accuracy >")
        page.get_by_role("button", name="Choose").click()
        expect(page.get_by_role("alert").filter(has_text="where: ")).to_be_visible()


def test_a_model_that_is_not_there_is_told(server: ApiServer, browser: Browser) -> None:
    with visit(browser, address(server), may_refuse=404) as seen:
        page = seen.open("#/models/model%2Fnone%3A1")
        expect(page.get_by_role("heading", name="No such model")).to_be_visible()


def test_without_a_catalogue_there_is_no_way_to_it(rig: ApiRig, browser: Browser) -> None:
    bare = rig.serve()
    with visit(browser, address(bare)) as seen:
        page = seen.open()
        ways = page.get_by_role("navigation", name="Where you are").get_by_role("link")
        expect(ways).to_have_text(["Releases", "Audit"])
    with visit(browser, address(bare), may_refuse=404) as seen:
        page = seen.open("#/models")
        expect(page.get_by_role("heading", name="No catalogue of models")).to_be_visible()
    bare.end()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("where", ["#/audit", "#/models", "#/models/model%2Fdigits%3A1"])
def test_axe_finds_nothing_and_a_phone_has_room(server: ApiServer, browser: Browser, theme: str, where: str) -> None:
    with visit(browser, address(server), theme=theme) as seen:
        page = seen.open(where)
        expect(page.locator("main h1")).to_be_visible()
        assert seen.violations() == []
        page.set_viewport_size({"width": 390, "height": 844})
        assert seen.overflow() == 0


def test_a_preset_of_what_if_fills_in_another_strategy(rig: ApiRig, server: ApiServer, browser: Browser) -> None:
    with visit(browser, address(server)) as seen:
        page = seen.open("#/releases/checkout")
        expect(page.locator("#link")).to_have_text("Live")
        # A decision that comes while it is open has the page drawn again, as it is all the time.
        rig.decide(*chain(6, 6))
        expect(page.locator("[data-revision='7-6']").first).to_be_attached()
        field = page.get_by_label("The other strategy and limits, as JSON")
        chosen = page.get_by_role("group", name="Begin with").locator("[aria-pressed=true]")
        expect(chosen).to_have_text("As it is")
        page.get_by_role("button", name="Bandit: klUcb").click()
        expect(field).to_have_value(re.compile('"type": "klUcb"'))
        assert json.loads(field.input_value())["strategy"]["policy"] == {"type": "klUcb"}
        expect(chosen).to_have_text("Bandit: klUcb")
        page.get_by_role("button", name="Half the steps").click()
        expect(field).to_have_value(re.compile('"maxStep": 1000'))
        field.fill("{}")
        expect(chosen).to_have_count(0)
        page.get_by_role("button", name="As it is").click()
        expect(field).to_have_value(re.compile('"maxStep": 2000'))
