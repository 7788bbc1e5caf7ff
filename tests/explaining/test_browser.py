"""The page in a real browser: Debian's chromium, started by Playwright with a fresh profile."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from manualgrad.explaining import Explanation
from manualgrad.explaining.wording import number
from tests.explaining import networks

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REQUIRED = "MANUALGRAD_REQUIRE_CHROMIUM"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and there is no chromium on the PATH")
        pytest.skip("no chromium on the PATH: the page was not tried in a browser")
    from playwright.sync_api import sync_playwright

    arguments = ["--disable-background-networking"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, headless=True, args=arguments)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens the page of an explanation, and checks in the end that it said and fetched nothing."""
    said: list[str] = []
    contexts = []

    def opened(explanation: Explanation, width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
        url = explanation.html(tmp_path / "page.html").as_uri()
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            has_touch=width < 600,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda r: None if r.url == url else said.append(f"request: {r.url}"))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


# Boxes of all texts that can be seen, cut off where a scrolling container cuts them; a formula is one box.
OVERLAPS = """() => {
  const boxes = [];
  const clipped = (r, element) => {
    let box = {left: r.left, top: r.top, right: r.right, bottom: r.bottom};
    for (let e = element; e; e = e.parentElement) {
      if (getComputedStyle(e).overflowX === "visible") continue;
      const c = e.getBoundingClientRect();
      box = {left: Math.max(box.left, c.left), right: Math.min(box.right, c.right), top: box.top, bottom: box.bottom};
    }
    return box;
  };
  const add = (rects, element, text) => {
    for (const r of rects) {
      const box = clipped(r, element);
      if (box.right - box.left > 1 && box.bottom - box.top > 1) boxes.push({...box, text});
    }
  };
  const seen = (e) => e.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true});
  for (const e of document.querySelectorAll("svg text, math")) {
    if (seen(e)) add([e.getBoundingClientRect()], e, e.textContent);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest("svg, math, script, style, template, option") || !seen(e)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    add(range.getClientRects(), e, node.data.trim());
  }
  const found = [];
  for (let i = 0; i < boxes.length; i++) {
    for (let j = 0; j < i; j++) {
      const a = boxes[i], b = boxes[j];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 2) found.push(`${a.text} | ${b.text} (${across.toFixed(1)} x ${down.toFixed(1)})`);
    }
  }
  return found;
}"""

# The size in pixels of the smallest text; in a formula an index is smaller than the formula.
SMALLEST = """() => Math.min(...[...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => parseFloat(getComputedStyle(e.closest("math") ?? e).fontSize)))"""

# One of each kind: the other examples have the same drawings with other numbers.
DRAWN = [
    "xyz", "half-squared-error", "two-neurons-2024", "two-neurons-c", "2-2-2", "2-2-2-biases", "2-2-1", "3-4-1",
    "2-3-1", "learning-rate-1.0", "linear-layer", "softmax", "sharing", "recurrent",
]  # fmt: skip
SHOWN: dict[str, Callable[[], Explanation]] = {
    **{name: functools.partial(networks.example, name) for name in DRAWN},
    "digits": networks.digits,
    "wide": networks.wide,
    "sneaky": networks.sneaky,
    "several": networks.several,
}


@pytest.mark.parametrize("name", SHOWN)
def test_opens_quietly_and_nothing_overlaps(open_page: Callable[..., Page], name: str) -> None:
    page = open_page(SHOWN[name]())
    last = int(page.locator("#slider").get_attribute("max") or 0)
    for width, scheme in ((1280, "light"), (360, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for step in sorted({0, last - 1, last}):
            page.evaluate("(step) => go(step)", step)
            assert page.evaluate(OVERLAPS) == [], (width, step)
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # only drawing and tables scroll
    assert page.evaluate(SMALLEST) >= 11


def shown(page: Page, kind: str) -> list[str]:
    """The texts of one kind in the drawing that can be seen."""
    return [t.text_content() or "" for t in page.locator(f"svg .{kind}:not(.later)").all()]


def test_slider_steps_forward_then_backward(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.example("2-2-2"))
    slider, where = page.locator("#slider"), page.locator("#where")
    slider.focus()
    page.keyboard.press("Home")
    assert "Step 0 of 11" in where.inner_text()
    assert shown(page, "gradient") == []
    given = ["0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.45", "0.5", "0.55", "0.6"]
    assert sorted(set(shown(page, "value"))) == given
    seen_values, seen_gradients, headings = [], [], []
    for _ in range(11):
        page.keyboard.press("ArrowRight")
        headings.append(page.locator(".moment:visible h3").inner_text())
        seen_values.append(len(shown(page, "value")))
        seen_gradients.append(len(shown(page, "gradient")))
    assert seen_values == [16, 18, 20, 22, 23, 23, 23, 23, 23, 23, 23]
    assert seen_gradients == [0, 0, 0, 0, 0, 3, 5, 11, 13, 17, 17]
    assert headings[0].startswith("layer hidden: net input")
    assert headings[4] == "loss E"
    assert headings[5] == "back through half_mse_loss"
    assert headings[10] == "every parameter, at once"
    page.keyboard.press("ArrowRight")  # there is nothing after the end
    assert "Step 11 of 11" in where.inner_text()


def test_keyboard_alone(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.example("2-2-2"))
    page.locator("#first").focus()
    page.keyboard.press("Enter")
    assert "Step 0" in page.locator("#where").inner_text()
    page.locator("#next").focus()
    page.keyboard.press("Space")
    assert "Step 1 of" in page.locator("#where").inner_text()
    for _ in range(60):  # on with Tab, until the weight w5 is reached
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label') || ''").startswith("w5"):
            break
    panel = page.locator("#panel").inner_text()
    assert "w5" in panel
    assert "0.0822" in panel
    assert "out_hidden" in panel
    assert "16 bytes" in panel
    page.keyboard.press("Enter")
    assert page.locator("#route").input_value() == "w5"
    page.keyboard.press("Escape")
    assert page.locator("#route").input_value() == ""
    assert page.locator("svg .on-route").count() == 0
    page.keyboard.press("ArrowRight")
    assert "Step 2 of" in page.locator("#where").inner_text()


def test_route(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.example("2-2-2"))
    page.locator("#route").select_option("w1")
    route = networks.example("2-2-2").route("w1")
    formulas = page.locator("#paths .math")
    assert formulas.count() == route.number_of_paths + 1
    assert formulas.last.locator("mn").last.text_content() == number(route.gradient)
    products = {number(p.product).replace("-", "−") for p in route.paths}
    assert {formulas.nth(i).locator("mn").last.text_content() for i in range(2)} == products
    # From i1 along w1 to h1, from there along w5 and w7 to both outputs and to E; nothing else is on the way.
    on = page.locator("svg .edge.on-route").all()
    labels = [e.get_attribute("aria-label") or "" for e in on]
    assert sorted(label.split(",")[0] for label in labels) == ["out_output", "out_output", "w1", "w5", "w7"]


def test_every_route_of_the_page_is_the_gradient(open_page: Callable[..., Page]) -> None:
    for name in ("2-2-2", "3-4-1", "sharing", "recurrent", "softmax"):
        explanation = networks.example(name)
        page = open_page(explanation)
        sums = page.evaluate(
            "data.starts.map((s) => [s, paths(s).reduce((t, links) => t + links.reduce((p, l) => p * l[2], 1), 0)])"
        )
        assert sums
        for start, total in sums:
            assert total == pytest.approx(explanation.route(start).gradient, rel=1e-12, abs=1e-15)


def test_pointing_and_tapping(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.example("2-2-2"))
    page.locator("svg .neuron").first.hover()
    panel = page.locator("#panel").inner_text()
    assert "net_h1" in panel
    assert "0.5933" in panel
    narrow = open_page(networks.example("xyz"), 360, 740)
    narrow.locator("svg .operation").first.tap()
    panel = narrow.locator("#panel").inner_text()
    assert "step 1: add" in panel
    assert narrow.locator("#panel math").count() > 0


def test_learning_rate(open_page: Callable[..., Page]) -> None:
    explanation = networks.example("2-2-2")
    page = open_page(explanation)
    row = page.locator("tr[data-name='w5']")
    assert row.locator("td").last.inner_text() == "0.3589"
    page.locator("#rate").fill("2")
    before, gradient = (v["output.weight"][0, 0].item() for v in (explanation.parameters, explanation.gradients))
    after = number(before - 2 * gradient)
    assert row.locator("td").nth(3).inner_text() == number(2 * gradient)
    assert row.locator("td").last.inner_text() == after
    drawn = page.locator("svg [data-element='w5']")
    assert drawn.text_content() == "0.4"
    page.evaluate("go(last)")  # at the update the drawing has the new weights
    assert drawn.text_content() == after
    page.locator("#rate").fill("")  # nothing to compute with: the last numbers stay
    assert row.locator("td").last.inner_text() == after


def test_numbers_are_written_alike(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.example("xyz"))
    values = [0.0, 1.0, -12.0, 0.05, 0.0099, -0.0004385677, 1.23456e-5, 5e-324, 163395.0, 1.5e7, -2.5e12, 0.74136]
    assert page.evaluate("(values) => values.map(number)", values) == [number(v) for v in values]


def test_escaped(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.sneaky())
    assert page.locator("img, b, i").count() == 0
    assert (page.locator("h1").text_content() or "").startswith("<img src=x")


def test_large_layers_are_folded(open_page: Callable[..., Page]) -> None:
    page = open_page(networks.digits())
    assert page.locator("details[open]").count() == 0
    assert page.locator("svg .item").count() < 30
    assert "2008 more elements" in (page.locator("section.update").text_content() or "")
