import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.report.typeface import fit, typeface, wrap


@given(text=st.text(max_size=300), size=st.sampled_from([18, 22, 46]), width=st.integers(0, 600))
def test_a_fitted_line_is_never_wider_than_its_place(text: str, size: int, width: int) -> None:
    assert typeface(size).getlength(fit(text, size, width)) <= width


def test_a_long_file_name_keeps_both_ends() -> None:
    line = fit("study-1234567890-" * 20 + "film.dcm", 22, 400)
    assert line.startswith("study-12")
    assert line.endswith("film.dcm")
    assert "..." in line


def test_a_long_sentence_keeps_its_start() -> None:
    line = fit("the view position is not stated " * 20, 22, 400, keep_end=False)
    assert line.startswith("the view position")
    assert line.endswith("...")


def test_a_short_line_stays_as_it_is() -> None:
    assert fit("RG1_UNCR.dcm", 22, 400) == "RG1_UNCR.dcm"


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("Müller-Lüdenscheidt", "Muller-Ludenscheidt"),
        ("肺炎.dcm", "??.dcm"),
        ("two\nlines\there", "two lines here"),
    ],
)
def test_letters_the_typeface_lacks_are_replaced(text: str, drawn: str) -> None:
    assert fit(text, 22, 400) == drawn


@given(
    words=st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), max_size=40),
    lines=st.integers(1, 4),
)
def test_a_wrapped_text_stays_in_its_box_and_in_order(words: list[str], lines: int) -> None:
    wrapped = wrap(" ".join(words), 20, 300, lines)
    assert len(wrapped) <= lines
    assert all(typeface(20).getlength(line) <= 300 for line in wrapped)
    if not any("..." in line for line in wrapped):
        assert " ".join(wrapped).split() == words


def test_a_text_without_words_has_no_lines() -> None:
    assert wrap("  ", 20, 300, 2) == []
