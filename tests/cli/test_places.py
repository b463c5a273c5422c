"""What cannot be written is said before the work."""

import pytest

from pneumoscope.cli.places import check_files, write_file
from pneumoscope.errors import UsageError


def test_what_can_be_written_passes(tmp_path):
    (tmp_path / "old.json").write_text("old")
    check_files(None, tmp_path / "new.json", tmp_path / "old.json")
    write_file(tmp_path / "old.json", "n\u00fc")
    assert (tmp_path / "old.json").read_bytes() == b"n\xc3\xbc"
    write_file(tmp_path / "new.bin", b"\xff")
    assert (tmp_path / "new.bin").read_bytes() == b"\xff"


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
