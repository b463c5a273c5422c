"""What no film exceeds: checked on declared sizes, before anything is decoded."""

from pneumoscope.errors import RejectedFilmError, UnreadableFilmError

__all__ = ["MAX_ASPECT", "MAX_FILE_BYTES", "MAX_PIXELS", "MIN_SIDE", "check_declared_size", "check_sides"]

MAX_PIXELS = 100_000_000
"""Rows x columns x frames. The largest digital chest films have about 20 million."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""An uncompressed 16-bit film of `MAX_PIXELS` is smaller."""

MIN_SIDE = 64
"""Rows and columns in pixels; under that no finding can be seen."""

MAX_ASPECT = 8
"""Longest by shortest side; whole films of the widest small children reach about 3."""


def check_declared_size(source: str, height: int, width: int, frames: int = 1) -> None:
    """Refuse an image whose pixels would fill the memory, before decoding it.

    Args:
        source: how the caller named the film.
        height: rows that the header declares.
        width: columns that the header declares.
        frames: images that the header declares.

    Raises:
        UnreadableFilmError: no pixels, or more than `MAX_PIXELS`.
    """
    if min(height, width, frames) < 1:
        raise UnreadableFilmError(
            source, f"its header declares {width} x {height} pixels", "export the film again"
        )
    if height * width * frames > MAX_PIXELS:
        count = f"{width:,} x {height:,} pixels" + (f" x {frames:,} images" if frames > 1 else "")
        raise UnreadableFilmError(
            source,
            f"it declares {count}, more than {MAX_PIXELS // 1_000_000} million (a decompression bomb?)",
            "send the film at its original size",
        )


def check_sides(source: str, height: int, width: int) -> None:
    """Refuse an image too small to show anything, or a strip of which next to nothing would be left.

    Args:
        source: how the caller named the film.
        height: rows.
        width: columns.

    Raises:
        RejectedFilmError: a side is under `MIN_SIDE`, or one is more than `MAX_ASPECT` times the other.
    """
    if min(height, width) < MIN_SIDE:
        raise RejectedFilmError(
            source,
            f"it is {width} x {height} pixels, too small to show a finding",
            f"send a film of at least {MIN_SIDE} x {MIN_SIDE} pixels",
        )
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise RejectedFilmError(
            source, f"it is a strip of {width:,} x {height:,} pixels, no whole film", "send the whole film"
        )
