import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from pneumoscope.errors import RejectedFilmError, UnreadableFilmError
from pneumoscope.image import decoding as border
from pneumoscope.image.decoding import DECODER_ERRORS, StructureError, decoding, noted_warnings


@pytest.mark.parametrize("error", DECODER_ERRORS)
def test_what_decoders_raise_becomes_one_error_without_their_words(error):
    with pytest.raises(UnreadableFilmError) as caught, decoding("film.dcm", "DICOM"):
        raise error("SECRET^PERSON")
    assert "SECRET" not in str(caught.value)
    assert isinstance(caught.value.__cause__, error)


def test_our_own_errors_pass():
    rejected = RejectedFilmError("film.dcm", "it is a photograph", "send a film")
    with pytest.raises(RejectedFilmError) as caught, decoding("film.dcm", "DICOM"):
        raise rejected
    assert caught.value is rejected
    with (
        pytest.raises(UnreadableFilmError, match=r"^film\.png: it has two heads; "),
        decoding("film.png", "PNG"),
    ):
        raise StructureError("it has two heads")


def test_warnings_about_a_file_become_one_note():
    notes: list[str] = []
    for _ in range(2):
        with noted_warnings(notes, "the header is odd"):
            warnings.warn("SECRET^PERSON", UserWarning, stacklevel=1)
    assert notes == ["the header is odd"]
    with noted_warnings(notes, "nothing"):
        pass
    assert notes == ["the header is odd"]


def test_warnings_about_code_are_issued_again():
    notes: list[str] = []
    with pytest.warns(DeprecationWarning, match="old"), noted_warnings(notes, "the header is odd"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert notes == []


def test_one_thread_at_a_time_changes_the_warning_filters():
    with ThreadPoolExecutor(1) as pool, noted_warnings([], ""):
        assert not pool.submit(border._WARNINGS_LOCK.acquire, blocking=False).result()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(border._WARNINGS_LOCK.acquire, blocking=False).result()
        pool.submit(border._WARNINGS_LOCK.release).result()
