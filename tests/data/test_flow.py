"""The flow report accounts for every file, in JSON and in a page that stands by itself."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from data.made_pool import make_kermany, person_film, save
from pneumoscope.data.build import Pool, build_rows
from pneumoscope.data.flow import Flow, flow_of, render_flow, write_flow
from pneumoscope.data.manifest import manifest_sha256


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    root = tmp_path / "root"
    make_kermany(root)
    save(root / "tuberculosis/TB/Tuberculosis/Tuberculosis-1.png", person_film(9))
    save(root / "covid19-radiography/x/Normal/images/Normal-1.png", person_film(0))
    (root / "covid19-radiography/x/Normal/images/<b>bad&.png").write_text("broken")
    return build_rows(root, tmp_path / "out")


@pytest.fixture
def flow(pool: Pool) -> Flow:
    return flow_of(pool, seed=0)


def test_every_file_is_counted_once(pool: Pool, flow: Flow) -> None:
    assert flow.files == len(pool.rows) == 10
    assert sum(sum(counts.values()) for counts in flow.fates.values()) == flow.files
    assert flow.readable == 9
    assert flow.distinct == flow.used == 8
    assert sum(sum(splits.values()) for splits in flow.use.values()) == flow.used
    assert flow.copies == {("covid19-radiography", "kermany"): 1}
    assert flow.straddling == 0
    assert flow.manifest_sha256 == manifest_sha256(pool.rows)
    assert sum(flow.patients.values()) == 6
    assert [path.rpartition("/")[2] for path, _ in flow.problems] == ["<b>bad&.png"]


def test_a_build_gone_wrong_shows(pool: Pool) -> None:
    rows = [replace(row, patient="one person") for row in pool.rows]
    assert flow_of(replace(pool, rows=tuple(rows)), seed=0).straddling == 1


def test_json_holds_the_same_numbers(flow: Flow, tmp_path: Path) -> None:
    write_flow(flow, tmp_path)
    stored = json.loads((tmp_path / "flow.json").read_text())
    assert stored["files"] == 10
    assert stored["fates"]["kermany"] == flow.fates["kermany"]
    assert stored["copies"] == [{"copy": "covid19-radiography", "kept": "kermany", "files": 1}]
    assert {source["name"] for source in stored["sources"]} == {
        "kermany",
        "tuberculosis",
        "covid19-radiography",
    }


def test_the_page_stands_by_itself(flow: Flow) -> None:
    page = render_flow(flow)
    assert render_flow(flow) == page
    assert "&lt;b&gt;bad&amp;.png" in page
    assert "<b>bad" not in page
    assert not re.search(r"(?:src|href)\s*=|url\(|<script|<img|@import", page)

    class Balance(HTMLParser):
        open_tags: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            if tag not in ("meta", "br"):
                self.open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open_tags.pop() == tag

    parser = Balance()
    parser.feed(page)
    assert parser.open_tags == []


def test_the_page_shows_the_sums(flow: Flow) -> None:
    text = re.sub(r"<[^>]+>", " ", render_flow(flow))
    assert re.search(r"files found\s+10\b", text)
    assert re.search(r"used\s+8\b", text)
    assert "in two splits: none" in re.sub(r"\s+", " ", text)
