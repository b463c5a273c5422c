import pytest

from pneumoscope.report.markdown import markdown_table


def test_a_table_has_a_line_per_row():
    assert markdown_table(("a", "b"), [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |"


@pytest.mark.parametrize("text", ["a | b", "a\nb", "| a\t|\r\n b"])
def test_no_text_breaks_a_row(text):
    *_, row = markdown_table(("a",), [(text,)]).splitlines()
    assert row.replace("\\|", "").count("|") == 2
