"""Each format holds the same records, is there as soon as it can be, and is whole when it is there."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import pytest

from pneumoscope.batch.sink import SINK_FORMATS, open_sink
from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.runtime.film import RECORD_FIELDS, Failure, Record

SCORED: Record = {
    "path": 'ward "3", bed\n1.png',
    "status": "ok",
    "reason": None,
    "probability": 0.1234567890123456,
    "logit": -1.5,
    "finding": "NORMAL",
    "operating_point": "balanced",
    "threshold": 0.5,
    "model": "tiny 0.1.0",
}
REFUSED = Failure("b.png", "rejected", "it is a colour photograph; send a film").record()
RECORDS = [SCORED, REFUSED]


def written(form: str, records: list[Record]) -> str:
    file = io.StringIO()
    with open_sink(form, None, file, ["the caption"]) as sink:
        for record in records:
            sink.write(record)
    return file.getvalue()


def test_json_lines() -> None:
    lines = written("jsonl", RECORDS).splitlines()
    assert [json.loads(line) for line in lines] == RECORDS
    assert list(json.loads(lines[0])) == list(RECORD_FIELDS)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_json(number: int) -> None:
    assert json.loads(written("json", RECORDS[:number])) == RECORDS[:number]


def test_csv() -> None:
    text = written("csv", RECORDS)
    assert text.splitlines()[0] == ",".join(RECORD_FIELDS)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows == [
        {key: "" if value is None else str(value) for key, value in record.items()} for record in RECORDS
    ]
    assert float(rows[0]["probability"]) == SCORED["probability"]


@pytest.mark.parametrize("path", ['=HYPERLINK("x")', "+1.png", "-1.png", "@a.png", "\tb.png"])
def test_no_path_in_a_csv_is_a_formula(path: str) -> None:
    text = written("csv", [SCORED | {"path": path}])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["path"] == f"./{path}"
    text = written("csv", [SCORED | {"path": "a=b.png"}])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["path"] == "a=b.png"


def test_csv_without_records_has_its_header() -> None:
    assert written("csv", []) == ",".join(RECORD_FIELDS) + "\n"


def test_table_says_all_that_a_person_needs() -> None:
    text = written("table", RECORDS)
    for part in ("NORMAL", "0.123", "rejected", "it is a colour photograph; send a film", "the caption"):
        assert part in text
    assert "1 scored, 1 not scored" in text


def test_table_shows_warnings() -> None:
    file = io.StringIO()
    with open_sink("table", None, file) as sink:
        sink.write(SCORED, ["the film is narrow"])
    assert "the film is narrow" in file.getvalue()


@pytest.mark.parametrize(("probability", "shown"), [(1.0, ">0.999"), (0.99951, ">0.999"), (1e-9, "<0.001")])
def test_table_never_shows_certainty(probability: float, shown: str) -> None:
    assert shown in written("table", [SCORED | {"probability": probability}])


def test_table_disarms_control_characters_and_markup() -> None:
    text = written("table", [SCORED | {"path": "\x1b[2J[red]:smile:.png"}])
    assert "\x1b" not in text
    assert "[2J[red]:smile:.png" in text


def test_full_path_is_in_the_table() -> None:
    path = "ward/" * 60 + "film.png"
    text = written("table", [SCORED | {"path": path}])
    assert path in "".join(text.replace("NORMAL", "").replace("0.123", "").split())


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_written(form: str, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        written(form, [SCORED | {"probability": number}])


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_lines_are_on_disk_as_soon_as_they_are_known(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with open_sink(form, out, io.StringIO()) as sink:
        sink.write(REFUSED)
        assert "b.png" in out.read_text()
        sink.write(REFUSED)
        assert out.read_text().count("b.png") == 2


@pytest.mark.parametrize("form", ["json", "table"])
def test_whole_files_replace_the_old_one_at_the_end(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with open_sink(form, out, io.StringIO()) as sink:
        sink.write(REFUSED)
        assert out.read_text() == "old"
    assert "b.png" in out.read_text()
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("form", SINK_FORMATS)
def test_file_holds_what_standard_output_would(form: str, tmp_path: Path) -> None:
    standard_output = io.StringIO()
    with open_sink(form, tmp_path / "out", standard_output, ["the caption"]) as sink:
        for record in RECORDS:
            sink.write(record)
    assert standard_output.getvalue() == ""
    assert (tmp_path / "out").read_bytes().decode() == written(form, RECORDS)


@pytest.mark.parametrize("form", SINK_FORMATS)
def test_interruption_keeps_what_is_done(form: str, tmp_path: Path) -> None:
    def interrupted() -> None:
        with open_sink(form, tmp_path / "out", io.StringIO()) as sink:
            sink.write(REFUSED)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    text = (tmp_path / "out").read_text()
    assert "b.png" in text
    if form == "json":
        assert json.loads(text) == [REFUSED]


@pytest.mark.parametrize("form", SINK_FORMATS)
def test_name_that_is_no_text_comes_out_as_it_went_in_or_marked(form: str, tmp_path: Path) -> None:
    path = b"\xff.png".decode(errors="surrogateescape")
    with open_sink(form, tmp_path / "out", io.StringIO()) as sink:
        sink.write(REFUSED | {"path": path})
    content = (tmp_path / "out").read_bytes()
    if form == "csv":
        assert b"\xff.png" in content
    elif form == "table":
        assert "\N{REPLACEMENT CHARACTER}.png" in content.decode()
    else:
        record = json.loads(content)
        assert (record[0] if form == "json" else record)["path"] == path


@pytest.mark.parametrize("form", SINK_FORMATS)
def test_link_is_written_through(form: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_sink(form, tmp_path / "link", io.StringIO()) as sink:
        sink.write(REFUSED)
    assert (tmp_path / "link").is_symlink()
    assert "b.png" in (tmp_path / "real").read_text()


@pytest.mark.parametrize("form", SINK_FORMATS)
def test_full_disk_is_one_sentence_and_a_device_stays_a_device(form: str) -> None:
    def fill() -> None:
        with open_sink(form, Path("/dev/full"), io.StringIO()) as sink:
            sink.write(REFUSED)

    with pytest.raises(
        PneumoscopeError, match="/dev/full cannot be written: No space left on device; make room"
    ):
        fill()
    assert Path("/dev/full").is_char_device()
    assert not [name for name in os.listdir("/dev") if name.endswith(".part")]  # noqa: PTH208


@pytest.mark.parametrize("form", SINK_FORMATS)
def test_place_that_cannot_be_written_is_refused_at_once(form: str, tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "nowhere" / "out"):
        with pytest.raises(UsageError, match="cannot be written"), open_sink(form, out, io.StringIO()):
            pytest.fail("it was opened")


@pytest.mark.skipif(sys.platform == "win32", reason="there everybody may write")
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_second_run_into_one_file_is_refused_and_the_first_goes_on(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("of yesterday")
    with open_sink(form, out, io.StringIO()) as first:
        first.write(SCORED)
        with (
            pytest.raises(
                UsageError, match=r"another run is writing .*out: wait for it or name another file"
            ),
            open_sink(form, out, io.StringIO()),
        ):
            pytest.fail("it was opened")
        first.write(REFUSED)
    assert out.read_text() == written(form, RECORDS)
    with open_sink(form, out, io.StringIO()) as sink:
        sink.write(REFUSED)
    assert out.read_text() == written(form, [REFUSED])
