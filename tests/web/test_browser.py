"""The page as a visitor sees it, in Chromium: what is on the screen, what is sent, what stays.

Every test asserts at its end that the browser asked nobody but the page's own server, that nothing was
refused, and that no script failed.
"""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect

from installing import Started
from pneumoscope.report.wording import percent
from pneumoscope.runtime.film import RECORD_FIELDS
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.rule import own_rule
from web.visiting import PHONE, box, contrasts, downloaded, send, tab, visit


def test_a_film_at_a_glance(browser: Browser, served: Started, films: Path, predictor: Predictor) -> None:
    path = films / "film-2.png"
    expected = predictor.predict(path)
    point = predictor.bundle.card.operating_points["balanced"]
    with visit(browser, served) as page:
        expect(page.locator("#header")).to_contain_text("Research use only")
        expect(page.locator("#header")).to_contain_text(expected.model)
        send(page, path)
        result = page.locator("#result")
        expect(result.locator(".finding")).to_have_text(expected.finding)
        expect(result.locator(".probability b")).to_have_text(percent(expected.probability))
        for said in ("film-2.png", percent(point.threshold), "91.0 %", "90.0 %", "validation", expected.model,
                     "PNG, 260 x 300 pixels", "Research use only"):  # fmt: skip
            expect(result).to_contain_text(said)
        film, below, evidence, contour = (page.locator(f"#viewer img >> nth={n}") for n in range(4))
        for picture in (film, below, evidence, contour):
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        assert box(below) == box(evidence) == box(contour)
        left, right = box(film), box(below)
        assert (left["y"], left["width"], left["height"]) == (right["y"], right["width"], right["height"])
        assert right["x"] >= left["x"] + left["width"]
        assert left["width"] / left["height"] == pytest.approx(260 / 300, rel=0.01)
        expect(page.locator("#viewer .legend")).to_contain_text(f"{expected.heatmap_limit:.3g}")
        expect(page.locator("#viewer .legend")).to_contain_text("no outline of a lesion")
        expect(page.locator("#films table")).to_have_count(0)


def test_evidence_and_contour_can_be_faded_and_taken_away(
    browser: Browser, served: Started, films: Path
) -> None:
    with visit(browser, served) as page:
        send(page, films / "film-2.png")
        evidence, contour = page.locator("#viewer .evidence"), page.locator("#viewer .contour")
        expect(evidence).to_have_css("opacity", "1")
        page.locator("#opacity input[type=range]").fill("40")
        expect(evidence).to_have_css("opacity", "0.4")
        page.get_by_label("Contour").uncheck()
        expect(contour).to_be_hidden()
        expect(evidence).to_be_visible()
        page.get_by_label("Evidence").uncheck()
        expect(evidence).to_be_hidden()
        page.get_by_label("Evidence").check()
        expect(evidence).to_be_visible()


def test_dicom_tells_nothing_of_the_patient(browser: Browser, served: Started, films: Path) -> None:
    with visit(browser, served) as page:
        send(page, films / "ward.dcm")
        expect(page.locator("#result")).to_contain_text("DICOM, 90 x 96 pixels, view PA")
        everything = page.content()
    for secret in ("SECRET", "1970"):
        assert secret not in everything
        assert secret not in "".join(served.said)


def test_a_text_file_is_told_so(browser: Browser, served: Started, films: Path) -> None:
    with visit(browser, served) as page:
        send(page, films / "notes.txt")
        expect(page.locator("#result .finding")).to_have_text("Not readable")
        expect(page.locator("#result")).to_contain_text("It is text, not an image, whatever its name says")
        expect(page.locator("#viewer img")).to_have_count(0)
        expect(page.locator("#layers")).to_be_hidden()
        send(page, films / "hand.dcm")
        expect(page.locator("#result .finding")).to_have_text("Not scored")
        expect(page.locator("#result")).to_contain_text("Its body part says HAND, not chest")


def test_ten_files_at_once(
    browser: Browser, served: Started, films: Path, predictor: Predictor, tmp_path: Path
) -> None:
    paths = sorted(films.iterdir())
    expected = [predictor.attempt(path.read_bytes(), name=path.name).record() for path in paths]
    assert len(paths) == 10
    with visit(browser, served, accept_downloads=True) as page:
        send(page, *paths)
        rows = page.locator("#films tbody tr")
        expect(rows).to_have_count(10)
        expect(page.locator("#films caption")).to_contain_text("10 files, 8 scored")
        for row, record in zip(rows.all(), expected, strict=True):
            expect(row).to_contain_text(str(record["path"]))
            expect(row).to_contain_text(str(record["finding"] or record["status"]))
            if record["probability"] is not None:
                expect(row).to_contain_text(percent(float(record["probability"])))
        expect(rows.nth(paths.index(films / "notes.txt"))).to_contain_text("It is text")

        page.get_by_role("button", name="Probability").click()
        by_probability = sorted(expected, key=lambda record: -float(record["probability"] or -1))
        expect(rows.first).to_contain_text(str(by_probability[0]["path"]))
        shown = [row.locator("td").nth(1).inner_text() for row in rows.all()]
        assert shown[:8] == [record["path"] for record in by_probability[:8]]
        page.get_by_role("button", name="Probability").click()
        expect(page.locator("#films th[aria-sort=ascending]")).to_have_text("Probability")

        page.get_by_role("button", name=str(by_probability[2]["path"])).press("Enter")
        expect(page.locator("#result .film-name")).to_have_text(str(by_probability[2]["path"]))
        expect(page.locator("#viewer img.film")).to_have_count(2)
        page.get_by_role("button", name="hand.dcm").click()
        expect(page.locator("#result .finding")).to_have_text("Not scored")
        expect(page.locator("#viewer img")).to_have_count(0)

        table = downloaded(page, "Save CSV", tmp_path)
        assert table.name == "pneumoscope.csv"
        written = list(csv.DictReader(table.read_text().splitlines()))
        assert [{key: row[key] or None for key in RECORD_FIELDS} for row in written] == [
            {key: None if value is None else str(value) for key, value in record.items()}
            for record in expected
        ]
        report = downloaded(page, "Save report", tmp_path).read_text()
    assert "10 chest films, 8 scored" in report
    assert report.count("<img ") == 16
    assert "http" not in report.replace('http-equiv="', "")


def test_the_threshold_moves_and_tells_what_it_gave(
    browser: Browser, served: Started, films: Path, predictor: Predictor, tmp_path: Path
) -> None:
    card = predictor.bundle.card
    path = films / "film-2.png"
    probability = predictor.predict(path).probability
    with visit(browser, served, accept_downloads=True) as page:
        slider = page.locator("#percent input[type=range]")
        expect(slider).to_have_value("50")
        expect(page.locator("#sensitivity")).to_contain_text("91.0 %")
        send(page, path, films / "film-1.png")
        slider.focus()
        for _ in range(3):
            slider.press("ArrowRight")
        expect(page.locator("#rates .from")).to_contain_text("53.0 %")
        told = own_rule(card, 0.53)
        expect(page.locator("#sensitivity")).to_contain_text(f"{100 * told.sensitivity.value:.1f} %")
        expect(page.locator("#specificity")).to_contain_text(f"{100 * told.specificity.value:.1f} %")
        expect(page.locator("#rates")).to_contain_text("Measured on made films")
        expect(page.get_by_label("My own")).to_be_checked()
        for threshold, finding in ((99, "NORMAL"), (1, "PNEUMONIA"), (int(100 * probability) + 1, "NORMAL")):
            slider.fill(str(threshold))
            expect(page.locator("#result .finding")).to_have_text(finding)
            expect(page.locator("#films tbody tr").first).to_contain_text(finding)
        report = downloaded(page, "Save report", tmp_path).read_text()
        assert f"Threshold set by hand: PNEUMONIA from {int(100 * probability) + 1}.0 %" in report
        page.get_by_label("Screening").check()
        expect(slider).to_have_value("35")
        expect(page.locator("#sensitivity")).to_contain_text("97.0 %")
        expect(page.locator("#result")).to_contain_text("the screening threshold of 35.0 %")


def test_clearing_forgets(browser: Browser, served: Started, films: Path) -> None:
    with visit(browser, served) as page:
        send(page, films / "film-1.png", films / "film-2.png")
        page.get_by_role("button", name="Clear").click()
        expect(page.locator("#welcome h2")).to_be_visible()
        expect(page.locator("#take-away")).to_be_hidden()
        assert "film-1.png" not in page.content()
        page.locator("#percent input[type=range]").fill("80")
        expect(page.locator("#rates .from")).to_contain_text("80.0 %")
        expect(page.locator("#result .verdict")).to_have_count(0)


def test_too_many_and_too_large(browser: Browser, served: Started, films: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes((films / "film-1.png").read_bytes() + bytes(2 * 2**20))
    with visit(browser, served) as page:
        page.set_input_files("#drop input[type=file]", [films / "film-1.png"] * 13)
        expect(page.locator("#drop .sending")).to_have_text("These are 13 files; send at most 12 at one go.")
        send(page, large)
        expect(page.locator("#result")).to_contain_text("The file is larger than 2 MB")


@pytest.mark.parametrize(
    ("status", "reason"), [(503, "Too many films were waiting here"), (408, "The file did not arrive")]
)
def test_a_film_that_is_not_let_in_says_why(
    browser: Browser, served: Started, films: Path, status: int, reason: str
) -> None:
    page = browser.new_page()
    page.route("**/films", lambda route: route.fulfill(status=status, json={"reason": "-"}))
    page.goto(served.url)
    send(page, films / "film-1.png")
    expect(page.locator("#result .why")).to_contain_text(reason)
    expect(page.locator("#drop .told")).to_have_text("Not scored")
    page.close()


def test_a_server_that_does_not_answer_is_told_of(browser: Browser, served: Started, films: Path) -> None:
    page = browser.new_page()
    page.goto(served.url)
    send(page, films / "film-1.png")
    page.route("**/films", lambda route: route.abort())
    page.set_input_files("#drop input[type=file]", films / "film-2.png")
    expect(page.locator("#drop .sending")).to_contain_text("the server does not answer")
    expect(page.locator("#drop .told")).to_be_hidden()
    page.unroute("**/films")
    send(page, films / "film-3.png")
    expect(page.locator("#drop .sending")).to_be_empty()
    expect(page.locator("#result .film-name")).to_have_text("film-3.png")
    page.close()


def test_names_are_text_and_nothing_else(
    browser: Browser, served: Started, films: Path, tmp_path: Path
) -> None:
    nasty = ["<img src=x onerror=alert(1)>.png", "${alert(1)}.png", "{{constructor}}`.png"]
    for name in nasty:
        (tmp_path / name).write_bytes((films / "film-1.png").read_bytes())
    with visit(browser, served) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        send(page, *(tmp_path / name for name in nasty))
        for row, name in zip(page.locator("#films tbody tr").all(), nasty, strict=True):
            expect(row.locator(".film")).to_have_text(name)
        expect(page.locator("#films img")).to_have_count(0)
        expect(page.locator("#result .film-name")).to_have_text(nasty[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_read_on_a_phone_by_day_and_night(
    browser: Browser, served: Started, films: Path, scheme: str
) -> None:
    with visit(browser, served, viewport=PHONE, color_scheme=scheme, has_touch=True) as page:
        send(page, films / "film-2.png", films / "notes.txt")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        tops = [
            box(page.locator(part))["y"]
            for part in ("#drop", "#films", "#result", "#viewer", "#layers", "#point")
        ]
        assert tops == sorted(tops)
        film, below = (
            box(page.locator("#viewer figure >> nth=0")),
            box(page.locator("#viewer figure >> nth=1")),
        )
        assert below["y"] >= film["y"] + film["height"]
        assert film["width"] > 0.85 * PHONE["width"]
        assert (page.evaluate("document.body.classList.contains('dark')")) == (scheme == "dark")
        weak = [name for name, ratio in contrasts(page).items() if ratio < 4.5]
        assert weak == []


@pytest.mark.parametrize("width", [320, 390, 801, 820, 900, 1024, 1280])
def test_nothing_is_cut_off_at_any_width(browser: Browser, served: Started, films: Path, width: int) -> None:
    with visit(browser, served, viewport={"width": width, "height": 844}) as page:
        send(page, films / "film-2.png", films / "notes.txt")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in ("#coloured label", "#lined label", "#point label", ".purpose", "#films .films"):
            for cut in page.locator(part).evaluate_all("all => all.map(e => e.scrollWidth - e.clientWidth)"):
                assert (part, max(cut, 0)) == (part, 0)


def test_light_and_dark_can_be_switched(browser: Browser, served: Started) -> None:
    with visit(browser, served, color_scheme="light") as page:
        ground = "getComputedStyle(document.querySelector('.verdict, .welcome')).backgroundColor"
        before = page.evaluate(ground)
        page.get_by_role("button", name="Switch between light and dark").click()
        expect(page.locator("body")).to_have_class("dark")
        assert page.evaluate(ground) != before


def test_the_keyboard_is_enough(browser: Browser, served: Started, films: Path) -> None:
    two = [films / "film-1.png", films / "film-2.png"]
    with visit(browser, served) as page:
        page.on("filechooser", lambda chooser: chooser.set_files(two))
        # Chromium is told of that before it answers the next question.
        page.evaluate("0")
        reached: list[str] = []
        while "film-files" not in reached:
            reached.append(tab(page))
        assert len(reached) <= 3
        page.keyboard.press("Enter")
        expect(page.locator("#drop .told")).to_have_text("2 files are done")
        while not reached[-1].startswith("range slider for Threshold"):
            reached.append(tab(page))
        page.keyboard.press("ArrowRight")
        expect(page.locator("#rates .from")).to_contain_text("51.0 %")
        while reached[-1] != "film-2.png":
            reached.append(tab(page))
        page.keyboard.press("Enter")
        expect(page.locator("#result .film-name")).to_have_text("film-2.png")
        while reached[-1] != "Save report":
            reached.append(tab(page))
        places = [reached.index(name) for name in ("film-files", "Clear", "film-2.png", "Save report")]
        assert places == sorted(places)


def test_two_visitors_never_see_each_others_films(
    browser: Browser, served: Started, films: Path, tmp_path: Path
) -> None:
    """Both send at the same time, again and again, also the same film under two names."""
    with (
        visit(browser, served, accept_downloads=True) as one,
        visit(browser, served, accept_downloads=True) as two,
    ):
        for turn in range(3):
            for page, name in ((one, "one"), (two, "two")):
                folder = tmp_path / f"{name}-{turn}"
                folder.mkdir()
                for number in (turn + 1, 6):
                    (folder / f"{name}-{turn}-{number}.png").write_bytes(
                        (films / f"film-{number}.png").read_bytes()
                    )
                page.set_input_files("#drop input[type=file]", sorted(folder.iterdir()))
            for page, name, other in ((one, "one", "two"), (two, "two", "one")):
                expect(page.locator("#films tbody tr .film").first).to_have_text(
                    f"{name}-{turn}-{turn + 1}.png"
                )
                expect(page.locator("#drop .told")).to_have_text("2 files are done")
                assert f"{other}-" not in page.locator("#films").inner_text()
                assert f"{other}-" not in page.locator("#result").inner_text()
        for page, name in ((one, "one"), (two, "two")):
            table = downloaded(page, "Save CSV", tmp_path).read_text()
            assert table.count(f"{name}-2-") == 2
            assert len(table.splitlines()) == 3


def test_a_taken_port_is_one_sentence(served: Started, bundle: Path) -> None:
    command = [sys.executable, "-m", "pneumoscope", "app", "--model", bundle, "--port", str(served.port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr == (
        f"pneumoscope: 127.0.0.1:{served.port} cannot be listened on: name another with --host or --port\n"
    )


def test_nobody_is_told_who_uses_the_page(served: Started) -> None:
    with urlopen(f"{served.url}/config") as answer:
        config = json.load(answer)
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert config["footer_links"] == []
    assert not [sheet for sheet in config["stylesheets"] if sheet.startswith("http")]


# Whether the temporary folder can be written to, and matplotlib's list of fonts.
HARMLESS = r"/home\d+/[a-z0-9_]{8}'$|/matplotlib\d+/fontlist-"


def test_nothing_is_written_and_nobody_is_called(
    browser: Browser, served: Started, films: Path, home: Path, tmp_path: Path
) -> None:
    with visit(browser, served, accept_downloads=True) as page:
        send(page, *sorted(films.iterdir()))
        downloaded(page, "Save report", tmp_path)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    notes = home.with_suffix(".notes").read_text().splitlines()
    assert [note for note in notes if not note.startswith("os.mkdir") and not re.search(HARMLESS, note)] == []
    assert [name for name in ("film", "ward", "hand") if name in "".join(served.said)] == []
