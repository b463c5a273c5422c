"""What a visitor does with the page, and how a test looks at it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from installing import Started

DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
# The machine may be busy with other things.
expect.set_options(timeout=60_000)


@contextmanager
def visit(browser: Browser, served: Started, **options: object) -> Iterator[Page]:
    """A visitor with a browser of his own."""
    context: BrowserContext = browser.new_context(**{"viewport": DESKTOP, **options})
    context.set_default_timeout(60_000)
    page = context.new_page()
    foreign: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: None if _ours(request.url, served) else foreign.append(request.url))
    page.on(
        "response",
        lambda answer: failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
    )
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    page.goto(served.url)
    expect(page.locator("#drop input")).to_be_attached()
    yield page
    context.close()
    assert (foreign, failed) == ([], [])


def _ours(url: str, served: Started) -> bool:
    return url.startswith((served.url, "data:", "blob:"))


def send(page: Page, *films: Path) -> None:
    """Choose files, and wait until all are done."""
    page.set_input_files("#drop input[type=file]", films)
    done = re.compile("(Not s|S)cored" if len(films) == 1 else f"{len(films)} files are done")
    expect(page.locator("#drop .told")).to_have_text(done)


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found is not None
    return dict(found)


def downloaded(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def tab(page: Page) -> str:
    """Go to the next part that can be used, make sure that it shows, and return what it is called."""
    page.keyboard.press("Tab")
    name, shows = page.evaluate(
        "[(a => a.ariaLabel || a.innerText || a.id)(document.activeElement), "
        "document.activeElement.matches(':focus-visible, body')]"
    )
    assert shows
    return str(name).strip()


def contrasts(page: Page) -> dict[str, float]:
    """Contrast ratio of each text in `READ`."""
    return dict(page.evaluate(_CONTRASTS, READ))


READ = [
    ".brand b", ".bundle", ".purpose", ".drop .call", ".drop .hint", ".drop .told", "#point label span",
    ".rates .from", ".rates dd", ".rates .quiet", ".verdict .finding", ".verdict .probability",
    ".verdict .why", ".verdict .quiet", ".viewer figcaption", ".legend span", ".legend p", ".films caption",
    ".films .film button", ".films .chip", ".films .remark", "#report", "#csv", "#clear",
]  # fmt: skip
# WCAG 2.2, relative luminance and contrast ratio; the ground is the first opaque colour below the text.
_CONTRASTS = """(selectors) => {
  const channels = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (part) => {
    for (; part; part = part.parentElement) {
      const colour = channels(getComputedStyle(part).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return Object.fromEntries(selectors.map((selector) => {
    const part = document.querySelector(selector);
    const [a, b] = [light(channels(getComputedStyle(part).color)), light(ground(part))];
    return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  }));
}"""
