"""The console in Chromium, on decisions that the test writes where a worker would."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from control.api.api_rig import RELEASE, ApiRig, chain
from control.console.browser import Visit, needs_browser, visit
from control.decisions import arm, assessment
from trimtab.schemas import sidecar
from trimtab.schemas.decision import Decision, Phase, ScaleChange, ScalingAdvice
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.sidecar import SidecarReport

pytestmark = [pytest.mark.browser, needs_browser]

WIRE_BYTES = 150_000
FIRST_PAINT_MS = 1_000
MARKUP = "<img src=x onerror=document.title='struck'> & <b>so</b>"
CHECKOUT = "#/releases/checkout"
NOTHING = "\N{EN DASH}"
VIEWER, OPERATOR = "viewer-token-" + "v" * 8, "operator-token-" + "o" * 8


@pytest.fixture(scope="module")
def rig() -> Iterator[ApiRig]:
    with ApiRig() as started:
        yield started


@pytest.fixture
def fresh() -> Iterator[ApiRig]:
    with ApiRig() as started:
        yield started


def revisions(page: Page) -> list[str]:
    """The revisions of the chart, oldest first, as the table below it has them."""
    return page.locator("#weights .scroll tbody th").all_inner_texts()[::-1]


def told(made: list[Decision]) -> list[str]:
    return [f"{one.era}-{one.revision}" for one in made]


def shows(page: Page, made: list[Decision]) -> None:
    expect(page.locator(f"[data-revision='{told(made)[-1]}']").first).to_be_attached(timeout=20_000)


def test_a_visit_loads_little_paints_at_once_and_asks_nobody_else(rig: ApiRig, browser: Browser) -> None:
    rig.decide(*chain(1, 20))
    server = rig.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open(CHECKOUT)
        shows(page, chain(20, 20))
        expect(page.locator("#link")).to_have_text("Live")
        paints = page.evaluate("performance.getEntriesByType('paint').map((one) => one.startTime)")
        assert max(paints) < FIRST_PAINT_MS
        assert 50_000 < seen.loaded() < WIRE_BYTES
    server.end()


def test_a_server_that_is_started_again_leaves_no_gap_in_the_chart(fresh: ApiRig, browser: Browser) -> None:
    before, meanwhile, after = chain(1, 8), chain(9, 30), chain(31, 34)
    fresh.decide(*before)
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open(CHECKOUT)
        page.get_by_text("The same as a table").click()
        shows(page, before)
        assert revisions(page) == told(before)

        server.end()
        expect(page.locator("#link")).to_contain_text("Not connected: what is shown is of")
        fresh.decide(*meanwhile)
        fresh.serve(listen=f"127.0.0.1:{server.port}")
        expect(page.locator("#link")).to_have_text("Live")
        fresh.decide(*after)
        shows(page, after)
        assert revisions(page) == told([*before, *meanwhile, *after])


def test_reasons_and_advice_on_size_are_told(fresh: ApiRig, browser: Browser) -> None:
    advice = ScalingAdvice(
        variant="v2", action="escalate", reason="240 ms over 200 ms", changes=[ScaleChange("instances", 2, 4)],
        value_ms=240.0, n=90, baseline_ms=None, baseline_n=0, quiet_until_ms=0,
    )  # fmt: skip
    fresh.decide(*chain(1, 3, rule="first", reasons=["first", "v2 waits: more of it is advised"], scaling=[advice]))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open(CHECKOUT)
        expect(page.locator(".page-head")).to_contain_text("v2 waits: more of it is advised")
        told = "Size of v2: escalate, instances 2 → 4, 240 ms over 200 ms"
        expect(page.locator("#variants")).to_contain_text(told)


def test_traffic_that_does_not_follow_is_told(fresh: ApiRig, browser: Browser) -> None:
    refused = Divergence(kind="refused", words=f"sidecar edge-1 (envoy) refuses revision 3: {MARKUP}", sidecar="edge-1")
    fresh.decide(*chain(1, 3, phase=Phase.PAUSED, divergences=[refused]))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open(CHECKOUT)
        expect(page.get_by_text(f"Traffic does not follow the weights: {refused.words}")).to_be_visible()


def test_a_variant_that_left_the_file_stays_in_what_is_shown_of_before(fresh: ApiRig, browser: Browser) -> None:
    before = chain(1, 3, weights={"v1": 7_000, "v2": 3_000})
    arms = [arm("v1", weight=6_000), arm("v3", weight=4_000)]
    after = chain(4, 6, weights={"v1": 6_000, "v3": 4_000}, arms=arms, assessments=[])
    fresh.decide(*before, *after, document=RELEASE.replace("v2", "v3"))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open()
        expect(page.locator(".releases .spark path")).to_have_count(3)
        expect(page.locator(".releases .weights-words")).to_have_text("v1 60%v3 40%")
        page = seen.open(CHECKOUT)
        shows(page, after)
        expect(page.locator(".plot-labels > span")).to_have_text(["v1 60%", "v3 40%", "v2 gone"], use_inner_text=True)
        expect(page.locator("#weights .plot")).to_have_attribute("aria-label", re.compile("Now v1 60%, v3 40%[.]"))
        expect(page.locator(".log")).to_contain_text("v1 70% → 60%, v3 0% → 40%, v2 30% → 0%")
        page.get_by_text("The same as a table").click()
        shares = page.locator("#weights .scroll tbody tr")
        expect(shares.first.locator("td.number")).to_have_text(["60%", "40%", NOTHING])
        expect(shares.last.locator("td.number")).to_have_text(["70%", NOTHING, "30%"])
        expect(page.locator("#variants tbody tr")).to_have_count(2)


def test_hundreds_of_releases_leave_the_list_free_to_answer(fresh: ApiRig, browser: Browser) -> None:
    """Each of them is an event of the stream at its beginning; a drawing for each took minutes."""
    names = [f"release-{number:03d}" for number in range(500)]
    fresh.decide(*(made for name in names for made in chain(1, 1, name)))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open()
        expect(page.locator("tr[data-key=release-499]")).to_be_attached(timeout=30_000)
        page.get_by_label("Filter by name or service").fill("release-42")
        expect(page.locator(".releases tbody tr")).to_have_count(10, timeout=30_000)
        page.get_by_role("link", name="release-427").click()
        expect(page.locator("h1")).to_contain_text("release-427", timeout=30_000)


def test_words_at_the_chart_never_lie_over_one_another(rig: ApiRig, browser: Browser) -> None:
    server = rig.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open()
        rows = page.evaluate(
            """async () => (await import("/chart_paint.js")).rowsOf(
                [0, 10, 20, 30, 40, 200].map((from) => ({ word: "Progressing", from, size: 70 })), 6)"""
        )
        assert rows == [-1, 3, 2, 1, 0, 0]  # the newest in the topmost row that has room, and too many are left out
    server.end()


def test_a_release_that_is_over_says_so_in_words(fresh: ApiRig, browser: Browser) -> None:
    fresh.decide(*chain(1, 3, phase=Phase.ROLLED_BACK, rule="rolled_back: what it still sees"))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open(CHECKOUT)
        expect(page.locator(".readout")).to_contain_text("Rolled back: what it still sees")
        expect(page.locator(".log")).to_contain_text("Rolled back: what it still sees")
        expect(page.locator("main")).not_to_contain_text("rolled_back")


def test_names_however_long_leave_a_phone_its_width(fresh: ApiRig, browser: Browser) -> None:
    names = [f"checkout-service-of-a-build-with-a-name-too-long-20260131-{number}" for number in range(9)]
    weights = dict.fromkeys(names, 500) | {names[0]: 6_000}
    document = RELEASE.replace("{name: v1}, {name: v2}", ", ".join(f"{{name: {name}}}" for name in names))
    made = chain(
        1, 3, weights=weights, rule="x" * 200, arms=[arm(name, weight=weights[name]) for name in names],
        assessments=[assessment(variant=name) for name in names],
    )  # fmt: skip
    fresh.decide(*made, document=document.replace("baseline: v1", f"baseline: {names[0]}"))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}", width=390) as seen:
        for where in ("", CHECKOUT):
            page = seen.open(where)
            expect(page.get_by_text("x" * 100).first).to_be_visible()
            assert seen.overflow() == 0, where


def test_what_a_person_typed_is_text(fresh: ApiRig, browser: Browser) -> None:
    fresh.decide(*chain(1, 3, rule=f"abort by ada: {MARKUP}", reasons=[MARKUP]))
    report = SidecarReport(sidecar="envoy-1", proxy="envoy", release="checkout", refused=MARKUP, time_ms=1)
    with Redis.from_url(fresh.redis) as client:
        client.set(sidecar_key("checkout", "envoy-1"), sidecar.encode(report))
    server = fresh.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        for where in ("", CHECKOUT):
            page = seen.open(where)
            expect(page.get_by_text(MARKUP).first).to_be_visible()
            assert page.locator("main img, main b:text-is('so')").count() == 0
            expect(page).not_to_have_title("struck")
        expect(page.locator("#sidecars")).to_contain_text(MARKUP)
        page.locator(".entry summary").first.click()
        expect(page.locator(".arithmetic").first).to_contain_text(MARKUP)
        assert seen.page.locator("main img").count() == 0


def test_the_theme_that_a_person_chose_is_remembered(rig: ApiRig, browser: Browser) -> None:
    server = rig.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}", theme="light") as seen:
        page = seen.open()
        ground = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        page.get_by_role("button", name="Switch to the dark theme").click()
        dark = page.evaluate(ground)
        page.reload()
        expect(page.get_by_role("button", name="Switch to the light theme")).to_be_visible()
        assert (page.evaluate(ground), dark == light) == (dark, False)
    server.end()


def test_a_release_that_is_not_there_is_told(rig: ApiRig, browser: Browser) -> None:
    server = rig.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}", may_refuse=404) as seen:
        page = seen.open("#/releases/nobody")
        expect(page.get_by_role("heading", name="No such release")).to_be_visible()
    server.end()


def test_who_has_a_token_signs_in_and_a_viewer_is_told_why_there_are_no_buttons(rig: ApiRig, browser: Browser) -> None:
    rig.decide(*chain(1, 20))
    tokens = f"viewer vera {VIEWER}, operator otto {OPERATOR}"
    server = rig.serve(f"TRIMTAB_API__TOKENS={tokens}")
    with visit(browser, f"http://127.0.0.1:{server.port}", may_refuse=401) as seen:
        page = seen.open(CHECKOUT)
        _sign_in(page, "a-token-that-nobody-has")
        expect(page.get_by_role("alert").filter(has_text="The server does not know this token.")).to_be_visible()
        _sign_in(page, VIEWER)
        shows(page, chain(20, 20))
        expect(page.locator(".page-head")).to_contain_text("You are signed in as a viewer (vera)")
        assert page.get_by_role("button", name="Abort").count() == 0
        page.reload()
        page.get_by_role("button", name="Sign out").click()
        _sign_in(page, OPERATOR)
        expect(page.get_by_role("button", name="Abort")).to_be_visible()
        assert page.evaluate("document.cookie") == ""
    server.end()


def _sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_every_part_is_reached_by_the_keyboard(rig: ApiRig, browser: Browser) -> None:
    rig.decide(*chain(1, 20))
    server = rig.serve()
    with visit(browser, f"http://127.0.0.1:{server.port}") as seen:
        page = seen.open()
        expect(page.get_by_role("link", name="checkout")).to_be_visible()
        _press_until(seen, "checkout")
        page.keyboard.press("Enter")
        shows(page, chain(20, 20))
        _press_until(seen, "Abort")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog", name="Abort: checkout")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.evaluate("document.activeElement.textContent") == "Abort"
    server.end()


def _press_until(seen: Visit, text: str) -> None:
    for _ in range(30):
        seen.page.keyboard.press("Tab")
        if seen.page.evaluate("document.activeElement.textContent") == text:
            return
    pytest.fail(f"no {text!r} within thirty presses of Tab")
