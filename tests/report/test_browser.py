"""The report in headless Chromium: what moves does move, nothing is fetched, all can be read."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_pages import PAGES

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
DRAWN = 60_000  # milliseconds; a busy machine draws WebGL slowly
CURVE, ROOT = ".smoothed .plot", "document.documentElement"
OVERFLOW = f"{ROOT}.scrollWidth - {ROOT}.clientWidth"
SCRIPTS = Path(__file__).parent
Visit = Callable[..., Any]


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
def visit(browser: Any, rendered: Path) -> Iterator[Visit]:
    """Returns a function that opens a page, on which then no error and no request may happen."""
    requests: list[str] = []
    errors: list[str] = []
    contexts: list[Any] = []

    def open_page(name: str, width: int = 1280, scheme: Any = "light") -> Any:
        size = {"width": width, "height": 800}
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(f"error: {error}"))
        page.goto((rendered / f"{name}.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith(("file://", "data:", "blob:"))] == []
    assert [error for error in errors if error.startswith("error")] == []


def picture(page: Any, selector: str) -> Any:
    """Returns the grey values of a canvas, (height, width)."""
    read = (
        "canvas => [canvas.width, canvas.height, [...canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height).data]]"
    )
    width, height, values = page.eval_on_selector(selector, read)
    return np.array(values).reshape(height, width, 4)[..., 0]


def wait_for(page: Any, condition: str) -> None:
    """Waits until a condition holds; Playwright's own way needs `eval`, which the pages forbid."""
    for _ in range(DRAWN // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def wait_until_drawn(page: Any, selector: str) -> Any:
    page.locator(selector).first.scroll_into_view_if_needed()
    wait_for(page, f"document.querySelector('{selector}[data-drawn]')")
    return page.locator(selector).first


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone_and_can_be_read_in_both_schemes(visit: Visit, name: str) -> None:
    for scheme in ("light", "dark"):
        page = visit(name, 390, scheme)
        assert page.evaluate(OVERFLOW) <= 0
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        assert page.evaluate(OVERFLOW) <= 0
        contrasts = page.evaluate((SCRIPTS / "contrasts.js").read_text())
        assert len(contrasts) > 100
        assert [contrast for contrast in contrasts if contrast[0] < 4.5] == []  # WCAG 2.1, AA
    assert page.evaluate(f"getComputedStyle({ROOT}).scrollBehavior") == "auto"


def test_every_figure_is_drawn_in_the_colours_of_the_scheme(visit: Visit) -> None:
    page = visit("index")
    assert page.evaluate("typeof window.Plotly") == "undefined"  # until a figure is looked at
    for plot in page.locator(".plot").all():
        plot.scroll_into_view_if_needed()
    wait_for(page, "!document.querySelector('.plot:not([data-drawn])')")
    looks = page.evaluate(
        "[...document.querySelectorAll('.plot')].map(plot => plot._fullLayout.font.color"
        " + ['var(', 'light-dark('].filter(text => JSON.stringify(plot.data).includes(text)))"
    )
    assert len(looks) > 10
    assert set(looks) == {"#1f1f1c"}
    page.emulate_media(color_scheme="dark")
    wait_for(page, "document.querySelector('.plot')._fullLayout.font.color === '#e9e7e1'")


def test_growth_slider_shows_another_step(visit: Visit) -> None:
    growth = visit("index").locator(".growth").first
    shown, text = growth.locator("li:visible").first, growth.locator("output")
    assert (shown.get_attribute("data-step"), text.inner_text()) == ("100", "step 100")
    growth.locator("input").press("Home")
    assert (shown.get_attribute("data-step"), text.inner_text()) == ("1", "step 1")


def test_traversal_slider_walks_by_keyboard(visit: Visit, rendered: Path) -> None:
    page, first = visit("pages/vae"), ".tiles canvas"
    images = np.load(rendered / "evaluation" / "vae" / "traversals.npz")["images"]
    wait_for(page, "document.querySelector('.tiles canvas').hasAttribute('aria-label')")
    slider = page.locator(".tiles input").first
    np.testing.assert_array_equal(picture(page, first), images[0, 0, 2, ..., 0])  # in the middle
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "+1.5 deviations"
    np.testing.assert_array_equal(picture(page, first), images[0, 0, 3, ..., 0])
    second = picture(page, ".tiles li:nth-child(2) canvas")
    np.testing.assert_array_equal(second, images[0, 1, 2, ..., 0])  # stays
    page.locator(".starts input").nth(1).check()
    wait_for(page, "document.querySelector('.tiles input').value === '3'")  # nearest to 1.4
    np.testing.assert_array_equal(picture(page, first), images[1, 0, 3, ..., 0])


def test_smoothing_moves_the_curve_and_leaves_the_values(visit: Visit) -> None:
    page = visit("pages/vae")
    wait_until_drawn(page, CURVE)
    change = "input => { input.value = 0.5; input.dispatchEvent(new Event('input')); }"
    page.eval_on_selector(".smoothing input", change)
    wait_for(page, "document.querySelector('.smoothed .plot').data[1].y[1] !== 120")
    read = "plot => plot.data.slice(0, 2).map(line => [...line.y])"
    raw, smoothed = page.eval_on_selector(CURVE, read)
    assert raw == [900, 120, 90.5]
    # By hand: 450 / 0.5, (225 + 60) / 0.75, (142.5 + 45.25) / 0.875
    np.testing.assert_allclose(smoothed, [900, 380, 214.571429], rtol=1e-6)
    assert page.locator(".smoothing output").inner_text() == "0.50"


def test_space_shows_the_image_under_the_cursor_and_turns(visit: Visit, rendered: Path) -> None:
    page, images = visit("pages/vae"), np.load(rendered / "images" / "test_images.npy")
    space = wait_until_drawn(page, ".space")
    space.scroll_into_view_if_needed()
    tip = page.locator(".tip")
    marks = page.eval_on_selector(".space", (SCRIPTS / "places.js").read_text())
    for mark in marks[:8]:  # one may lie behind another
        page.mouse.move(mark["x"] + 1, mark["y"])
        page.mouse.move(mark["x"], mark["y"])
        page.wait_for_timeout(200)
        if tip.is_visible():
            break
    row = int(re.findall(r"test image (\d+)", tip.inner_text())[0])
    np.testing.assert_array_equal(picture(page, ".tip canvas"), images[row, ..., 0])
    eye = "document.querySelector('.space').layout.scene.camera.eye.x"
    before = page.evaluate(eye)
    space.press("ArrowLeft")
    wait_for(page, f"{eye} !== {before}")
