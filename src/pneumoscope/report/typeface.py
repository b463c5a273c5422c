"""Text on a picture: Pillow's built-in typeface, and lines that never leave their place."""

import unicodedata
from functools import cache

from PIL import ImageFont

__all__ = ["fit", "typeface", "wrap"]

_GAP = "..."


@cache
def typeface(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's built-in scalable typeface (Aileron, CC0).

    Args:
        size: height of the em square, pixels.

    Raises:
        RuntimeError: this Pillow was built without FreeType.
    """
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install the wheel from PyPI")
    return font


def _printable(text: str) -> str:
    """Text in the characters that the typeface holds: accents fall away, other scripts become "?"."""
    plain = unicodedata.normalize("NFKD", " ".join(text.split()))
    return "".join(
        letter if " " <= letter <= "~" else "?" for letter in plain if not unicodedata.combining(letter)
    )


def fit(text: str, size: int, width: float, *, keep_end: bool = True) -> str:
    """Shorten a line until it fits.

    Args:
        text: of any length, in any script.
        size: of the typeface, pixels.
        width: at most this many pixels.
        keep_end: cut in the middle (both ends of a file name tell the most), else at the end.

    Returns:
        The line as it is to be drawn; empty where not even the gap fits.
    """
    font = typeface(size)
    line = _printable(text)
    if font.getlength(line) <= width:
        return line
    fits, too_long = -1, len(line)
    while too_long - fits > 1:
        kept = (fits + too_long) // 2
        if font.getlength(_cut(line, kept, keep_end)) <= width:
            fits = kept
        else:
            too_long = kept
    return _cut(line, fits, keep_end) if fits >= 0 else ""


def _cut(line: str, kept: int, keep_end: bool) -> str:
    """`kept` letters of a line, from its start or from both ends, and a gap for the rest."""
    end = kept // 2 if keep_end else 0
    return line[: kept - end] + _GAP + line[len(line) - end :]


def wrap(text: str, size: int, width: float, lines: int) -> list[str]:
    """Break a text between words into at most so many lines; the last one is shortened if need be.

    Args:
        text: of any length.
        size: of the typeface, pixels.
        width: of a line, pixels.
        lines: at most this many, 1 or more.

    Returns:
        The lines, each at most `width` wide.
    """
    font = typeface(size)
    words = _printable(text).split()
    wrapped: list[str] = []
    while words and len(wrapped) < lines - 1:
        count = 1
        while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= width:
            count += 1
        wrapped.append(fit(" ".join(words[:count]), size, width))
        words = words[count:]
    if words:
        wrapped.append(fit(" ".join(words), size, width, keep_end=False))
    return wrapped
