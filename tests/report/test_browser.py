"""The report in headless Chromium: what moves does move, nothing is fetched, and it can be read on any screen."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_workspace import KINDS, render, write_outputs

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
PAGES = ("index.html", *(f"models/{name}.html" for name in KINDS))
DRAWN = 60_000  # milliseconds; a busy machine draws WebGL slowly

SCRIPTS = Path(__file__).parent


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three models' outputs, with the pages in `reports`."""
    folder = tmp_path_factory.mktemp("browser")
    write_outputs(folder)
    render(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser."""
    if not CHROMIUM.is_file():
        pytest.skip(f"needs {CHROMIUM}: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any, root: Path) -> Iterator[Callable[..., Any]]:
    """Returns a function that opens a page; at the end there was no error, and no request left the machine."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def note_request(request: Any) -> None:
        if not request.url.startswith(("file://", "data:", "blob:")):
            complaints.append(f"request: {request.url}")

    def note_console(message: Any) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def open_page(name: str, width: int = 1280, scheme: Any = "light") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", note_request)
        page.on("console", note_console)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.goto((root / "reports" / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def picture(page: Any, selector: str) -> Any:
    """Returns the grey values of a canvas, (height, width)."""
    width, height, values = page.eval_on_selector(
        selector,
        "canvas => [canvas.width, canvas.height, [...canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data].filter((_, index) => index % 4 === 0)]",
    )
    return np.array(values).reshape(height, width)


def wait_for(page: Any, condition: str) -> None:
    """Waits until a condition holds; Playwright's own way needs `eval`, which the pages forbid."""
    for _ in range(DRAWN // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def wait_until_drawn(page: Any, selector: str) -> Any:
    element = page.locator(selector).first
    element.scroll_into_view_if_needed()
    page.locator(f"{selector}[data-drawn]").first.wait_for(state="attached", timeout=DRAWN)
    return element


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone_and_can_be_read_in_both_schemes(
    visit: Callable[..., Any], name: str
) -> None:
    for scheme in ("light", "dark"):
        page = visit(name, 390, scheme)
        assert (
            page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            <= 0
        )
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert (
            page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            <= 0
        )
        contrasts = page.evaluate((SCRIPTS / "contrasts.js").read_text())
        assert len(contrasts) > 100
        assert [each for each in contrasts if each[0] < 4.5] == []  # WCAG 2.1, AA


def test_motion_follows_what_the_reader_wants(visit: Callable[..., Any]) -> None:
    assert (
        visit("index.html").evaluate("getComputedStyle(document.documentElement).scrollBehavior")
        == "auto"
    )


def test_growth_slider_shows_another_step(visit: Callable[..., Any]) -> None:
    page = visit("index.html")
    slider = page.locator(".growth input").first
    shown, text = (
        page.locator(".growth").first.locator("li:visible"),
        page.locator(".growth output").first,
    )
    assert (shown.first.get_attribute("data-step"), text.inner_text()) == ("100", "step 100")
    slider.press("Home")
    assert (shown.first.get_attribute("data-step"), text.inner_text()) == ("1", "step 1")


def test_traversal_slider_walks_by_keyboard(visit: Callable[..., Any], root: Path) -> None:
    page, images = (
        visit("models/vae.html"),
        np.load(root / "evaluation" / "vae" / "traversals.npz")["images"],
    )
    wait_for(page, "document.querySelector('.tiles canvas').hasAttribute('aria-label')")
    slider = page.locator(".tiles input").first
    np.testing.assert_array_equal(
        picture(page, ".tiles canvas"), images[0, 0, 2, ..., 0]
    )  # at the middle
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "+1.5 deviations"
    np.testing.assert_array_equal(picture(page, ".tiles canvas"), images[0, 0, 3, ..., 0])
    slider.press("Home")
    np.testing.assert_array_equal(picture(page, ".tiles canvas"), images[0, 0, 0, ..., 0])
    np.testing.assert_array_equal(
        picture(page, ".tiles li:nth-child(2) canvas"), images[0, 1, 2, ..., 0]
    )  # stayed
    page.locator(".starts input").nth(1).check()
    wait_for(page, "document.querySelector('.tiles input').value === '3'")  # nearest to 1.4
    np.testing.assert_array_equal(picture(page, ".tiles canvas"), images[1, 0, 3, ..., 0])


def test_smoothing_moves_the_curve_and_leaves_the_values(visit: Callable[..., Any]) -> None:
    page = visit("models/vae.html")
    wait_until_drawn(page, ".plot[data-panel]")
    page.eval_on_selector(
        ".smoothing input",
        "input => { input.value = 0.5; input.dispatchEvent(new Event('input')); }",
    )
    wait_for(page, "document.querySelector('.plot[data-panel]').data[1].y[1] !== 120")
    raw, smoothed = page.eval_on_selector(
        ".plot[data-panel]", "plot => plot.data.slice(0, 2).map(line => [...line.y])"
    )
    assert raw == [900, 120, 90.5]
    # By hand: 450 / 0.5, (225 + 60) / 0.75, (142.5 + 45.25) / 0.875
    np.testing.assert_allclose(smoothed, [900, 380, 214.571429], rtol=1e-6)
    assert page.locator(".smoothing output").inner_text() == "0.50"


def test_space_shows_the_image_under_the_cursor_and_turns(
    visit: Callable[..., Any], root: Path
) -> None:
    page, images = visit("models/vae.html"), np.load(root / "images" / "test_images.npy")
    space = wait_until_drawn(page, ".space")
    space.scroll_into_view_if_needed()
    tip = page.locator(".tip")
    for place in page.eval_on_selector(".space", (SCRIPTS / "places.js").read_text())[
        :8
    ]:  # one may lie behind another
        page.mouse.move(place["x"] + 1, place["y"])
        page.mouse.move(place["x"], place["y"])
        page.wait_for_timeout(200)
        if tip.is_visible():
            break
    row = int(re.findall(r"test image (\d+)", tip.inner_text())[0])
    np.testing.assert_array_equal(picture(page, ".tip canvas"), images[row, ..., 0])
    before = page.eval_on_selector(".space", "space => space.layout.scene.camera.eye.x")
    space.press("ArrowLeft")
    wait_for(page, f"document.querySelector('.space').layout.scene.camera.eye.x !== {before}")


def test_library_is_unpacked_when_it_is_looked_at(visit: Callable[..., Any]) -> None:
    page = visit("models/vae.html")
    assert page.evaluate("typeof window.Plotly") == "undefined"
    wait_until_drawn(page, ".plot[data-panel]")
    assert page.evaluate("typeof window.Plotly") == "object"
