"""The bar says how far, how fast and how long still; only where somebody sees it."""

import io
import re

import pytest

from pneumoscope.cli.progress import progress


class Terminal(io.StringIO):
    """Somebody watches."""

    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of standard error; not in a fixture, after which pytest captures anew."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def test_bar_shows_count_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with progress(1000, done=400) as advance:
        for _ in range(300):
            advance()
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert re.search(r"scoring \S+ +700/1000 \d+\.\d films/s 0:00:\d\d", shown)


@pytest.mark.parametrize(("done", "shown"), [(999, True), (0, False)])
def test_no_bar_for_one_film_or_over_records(done: int, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with progress(1000, done=done, shown=shown) as advance:
        advance()
    assert terminal.getvalue() == ""


def test_nothing_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(1000) as advance:
        advance()
    assert capsys.readouterr() == ("", "")
