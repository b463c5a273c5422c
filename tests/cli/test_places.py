"""What cannot be written is said before the work."""

import json

import pytest

from pneumoscope.cli.places import check_files, check_folder, write_file
from pneumoscope.errors import UsageError


def test_what_can_be_written_passes(tmp_path):
    (tmp_path / "old.json").write_text("old")
    check_files(None, tmp_path / "new.json", tmp_path / "old.json")
    write_file(tmp_path / "old.json", "n\u00fc")
    assert (tmp_path / "old.json").read_bytes() == b"n\xc3\xbc"
    write_file(tmp_path / "new.bin", b"\xff")
    assert (tmp_path / "new.bin").read_bytes() == b"\xff"


def test_what_is_read_or_named_twice_is_not_written_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "mine.csv"
    table.write_text("path,label\n")
    with pytest.raises(UsageError, match="is read by this command"):
        check_files(table.relative_to(tmp_path), read=[None, table])
    with pytest.raises(UsageError, match="is named twice"):
        check_files(tmp_path / "a.json", tmp_path / "no" / ".." / "a.json")
    assert table.read_text() == "path,label\n"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    check_folder(None)
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    with pytest.raises(UsageError, match="is no folder"):
        check_folder(tmp_path / "file")


def test_names_of_files_that_are_no_text_are_written(tmp_path):
    odd = b"k\xe4se".decode(errors="surrogateescape")
    write_file(tmp_path / "a.json", json.dumps({"path": odd}, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["path"] == odd
    write_file(tmp_path / "a.csv", odd, odd_names="surrogateescape")
    assert (tmp_path / "a.csv").read_bytes() == b"k\xe4se"


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "is a folder"), ("no/x.json", "is no folder; make it"), ("file/x", "is no folder")],
)
def test_what_cannot_is_named(tmp_path, name, message):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=message):
        check_files(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be written"):
        write_file(tmp_path / name, "")
