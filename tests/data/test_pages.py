"""Templates are filled in without surprises: escaped, complete, or not at all."""

import sys

import jinja2
import pytest

from pneumoscope.data.pages import render_template
from pneumoscope.errors import MissingExtraError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "made_templates"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "page.j2").write_text("{{ name }}{{ size | twice }}")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    sys.modules.pop(folder.name, None)


def _twice(size):
    return 2 * size


def test_values_are_escaped_and_filters_are_known(package):
    values = {"name": "<b>&", "size": 3}
    assert render_template(package, "page.j2", values, {"twice": _twice}) == "&lt;b&gt;&amp;6"


def test_a_forgotten_value_is_an_error(package):
    with pytest.raises(jinja2.UndefinedError, match="name"):
        render_template(package, "page.j2", {"size": 3}, {"twice": _twice})


def test_without_jinja2_it_says_what_to_install(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"pneumoscope\[train\]"):
        render_template(package, "page.j2", {})
