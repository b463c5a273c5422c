"""What cannot be written is told with what to do about it; a file is held by one run."""

import errno
import sys
from pathlib import Path

import pytest

from pneumoscope.batch.writing import cause_and_remedy, hold
from pneumoscope.errors import UsageError


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_cause_has_a_remedy(number: int) -> None:
    cause, _, remedy = cause_and_remedy(OSError(number, "words of a library")).partition("; ")
    assert cause
    assert remedy
    assert "words of a library" not in cause + remedy


def test_error_without_a_number_says_what_it_says() -> None:
    assert cause_and_remedy(OSError("it is full")) == "it is full; name another place"


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (
            "nowhere/out",
            "No such file or directory; make the folder that it lies in first, or name another place",
        ),
        (".", "Is a directory; name a file in that folder"),
        ("file/out", "Not a directory; a part of its path is no folder: name another place"),
        ("x" * 300, "File name too long; choose a shorter name"),
    ],
)
def test_places_that_cannot_be(place: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        (tmp_path / place).open("w")
    assert cause_and_remedy(caught.value) == sentence


@pytest.mark.skipif(sys.platform == "win32", reason="there everybody may hold a file")
def test_file_is_held_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w") as first, path.open("a") as second:
        hold(first, path)
        with pytest.raises(UsageError, match=f"another run is writing {path}"):
            hold(second, path)
    with path.open("a") as third:
        hold(third, path)
