"""Takes the pictures of the web page that the documentation shows, of the sample film and of nothing else.

make screenshots

The page is started with the shipped bundle and driven by Chromium; what is on the pictures is what it said.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from pneumoscope import load
from pneumoscope.image.read import read
from pneumoscope.image.sample import sample_path
from pneumoscope.web.page import build_page
from pneumoscope.web.server import close_page, open_page

__all__ = ["main"]

PICTURES = Path(__file__).with_name("img")
DESKTOP, PHONE = {"width": 1360, "height": 1000}, {"width": 400, "height": 860}
# Others of the same package: an extremity, an ultrasound image, a slice of magnetic resonance.
NO_CHEST_FILMS = ("RG3_UNCR.dcm", "US1_UNCR.dcm", "MR2_UNCR.dcm")


def main() -> None:
    """Write web-desktop.png, web-dark.png, web-many.png and web-phone.png into docs/img."""
    sample = sample_path()
    if sample is None:
        raise SystemExit("the sample film is missing: pip install 'pneumoscope[sample]'")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium")
    page = build_page(load())
    try:
        url = open_page(page, host="127.0.0.1", port=None, share=False, browser=False).local
        with TemporaryDirectory() as folder, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            many = different_files(sample, Path(folder))
            for name, scheme, size, files in (
                ("desktop", "light", DESKTOP, [sample]),
                ("dark", "dark", DESKTOP, [sample]),
                ("many", "light", DESKTOP, many),
                ("phone", "light", PHONE, [sample]),
            ):
                with visit(browser, url, scheme, size) as visitor:
                    send(visitor, files)
                    save(visitor, PICTURES / f"web-{name}.png")
            browser.close()
    finally:
        close_page(page)


def different_files(sample: Path, folder: Path) -> list[Path]:
    """The sample in several forms, spoiled ones among them, and files that are no chest films."""
    pixels = (read(sample).pixels >> 8).astype(np.uint8)
    film = Image.fromarray(pixels)
    film.save(folder / "RG1.jpg", quality=92)
    film.resize((920, 978)).save(folder / "RG1-half.webp")
    Image.fromarray(255 - pixels).save(folder / "RG1-inverted.png")
    film.transpose(Image.Transpose.ROTATE_180).save(folder / "RG1-upside-down.tif")
    (folder / "notes.txt").write_text("No film.\n")
    others = [sample.with_name(name) for name in NO_CHEST_FILMS]
    return [sample, *sorted(folder.iterdir()), *(path for path in others if path.is_file())]


@contextmanager
def visit(browser: Browser, url: str, scheme: str, size: dict[str, int]) -> Iterator[Page]:
    """A visitor with a screen of this size."""
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#drop input", state="attached")
    yield page
    context.close()


def send(page: Page, files: list[Path]) -> None:
    """Choose files and wait until they are scored and shown."""
    page.set_input_files("#drop input[type=file]", files)
    page.wait_for_selector("#drop .told:text-matches('^(Scored|[0-9]+ files are done)$')")
    page.wait_for_function("() => [...document.images].every((image) => image.complete)")
    page.mouse.move(0, 0)


def save(page: Page, path: Path) -> None:
    """The whole page as a small PNG."""
    Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    main()
