"""Any file a clinic or a researcher has becomes a `Radiograph`, or an error that says why not.

The format is told by a file's first bytes, never by its name.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.errors import RejectedFilmError, UnreadableFilmError
from pneumoscope.image.limits import MAX_FILE_BYTES, check_declared_size, check_sides
from pneumoscope.image.radiograph import Pixels, Radiograph
from pneumoscope.image.raster import image_pixels, raster_pixels

__all__ = ["FILM_SUFFIXES", "FilmRoot", "FilmSource", "begins_like_dicom", "is_dicom", "read", "too_large"]

FilmSource = str | Path | bytes | BinaryIO | Image.Image | NDArray[Any]
"""What `read` takes."""

FILM_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"})
"""Suffixes, in lower case, of files that may be films."""

_EXPLICIT_VRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT"
    b" UV".split()
)
_OTHER_FORMATS = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x00\x00\x00\x0cjP", "a JPEG 2000 file outside DICOM"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 file outside DICOM"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"NRRD", "an NRRD volume"),
    (344, b"n+1\x00", "a NIfTI volume"),
)
_LEVELS_OF_12_BITS = 4096


class FilmRoot(Protocol):
    """Where films lie: a folder, or the folders of several manifests (`pneumoscope.data.joined.Roots`)."""

    def __truediv__(self, path: str, /) -> Path:
        """The file of a film."""


def read(source: FilmSource, *, name: str | None = None) -> Radiograph:
    """Read one film.

    Args:
        source: path, bytes of a whole file, binary file object, Pillow image, or (H, W) array of uint8
            or uint16 in which 0 is black.
        name: what to call the film in messages and records; by default its path, or "<bytes>", "<file>",
            "<image>", "<array>".

    Returns:
        The film. 8-bit files give uint8, deeper ones uint16 over its full range; the same pixels in any
        format give equal arrays. Nothing is stretched to the film's own brightest and darkest pixel.

    Raises:
        UnreadableFilmError: missing, empty, damaged, cut short, too large, or of an unknown format.
        RejectedFilmError: sound, but no frontal chest radiograph: colour, several images, too small, another
            modality, body part or view.
    """
    if isinstance(source, str | Path):
        return _from_bytes(_load(Path(source), name or str(source)), name or str(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_bytes(bytes(source), name or "<bytes>")
    if isinstance(source, Image.Image):
        label = name or "<image>"
        notes: list[str] = []
        pixels = image_pixels(source, label, notes)
        return _finish(Radiograph(pixels, label, "IMAGE", warnings=tuple(notes)))
    if isinstance(source, np.ndarray):
        label = name or "<array>"
        return _finish(Radiograph(_from_array(source, label), label, "ARRAY"))
    if hasattr(source, "read"):
        label = name or str(getattr(source, "name", "<file>"))
        return _from_bytes(_drain(source, label), label)
    raise UnreadableFilmError(
        name or "<film>",
        f"a film cannot be read from {type(source).__name__}",
        "pass a path, bytes, a binary file object, a Pillow image or a (H, W) array",
    )


def begins_like_dicom(path: str | Path) -> bool:
    """Whether a file's first bytes are those of DICOM, with or without the preamble.

    Args:
        path: of any file; one that cannot be opened does not begin like DICOM.
    """
    try:
        if not Path(path).is_file():  # opening a pipe would wait for its other end
            return False
        with Path(path).open("rb") as file:
            return is_dicom(file.read(132))
    except (OSError, ValueError):
        return False


def is_dicom(head: bytes) -> bool:
    """Whether the first 132 bytes of a file are those of DICOM, with or without the preamble."""
    if head[128:132] == b"DICM":
        return True
    if head[:2] in (b"\x02\x00", b"\x08\x00"):
        implicit = head[3:4] == b"\x00" and head[6:8] == b"\x00\x00" and head[4:6] != b"\x00\x00"
        return len(head) >= 8 and (head[4:6] in _EXPLICIT_VRS or implicit)
    return head[:2] == b"\x00\x08" and head[4:6] in _EXPLICIT_VRS


def _load(path: Path, source: str) -> bytes:
    try:
        if path.is_dir():
            raise UnreadableFilmError(source, "it is a folder", "name the film inside it")
        size = path.stat().st_size
        if not path.is_file():
            raise UnreadableFilmError(source, "it is no regular file", "name a film")
        if size > MAX_FILE_BYTES:
            raise too_large(source)
        return path.read_bytes()
    except FileNotFoundError:
        raise UnreadableFilmError(source, "there is no such file", "check the path") from None
    except PermissionError:
        raise UnreadableFilmError(source, "it may not be read", "check the file's permissions") from None
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise UnreadableFilmError(source, f"it cannot be opened ({cause})", "check the path") from error


def _drain(file: BinaryIO, source: str) -> bytes:
    try:
        data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: closed, or text that does not decode
        raise UnreadableFilmError(
            source, "the file object cannot be read", "open it in binary mode and keep it open"
        ) from error
    if not isinstance(data, bytes):
        raise UnreadableFilmError(source, "the file object yields text", "open it in binary mode")
    if not data:
        raise UnreadableFilmError(
            source, "the file object has nothing left to read", "rewind it with seek(0), or pass a path"
        )
    if len(data) > MAX_FILE_BYTES:
        raise too_large(source)
    return data


def too_large(source: str) -> UnreadableFilmError:
    """The error for a file of more than `MAX_FILE_BYTES`."""
    return UnreadableFilmError(
        source,
        f"the file is larger than {MAX_FILE_BYTES // 2**20} MB",
        "send one film, not a series or a video",
    )


def _from_bytes(data: bytes, source: str) -> Radiograph:
    if not data:
        raise UnreadableFilmError(source, "the file is empty (zero bytes)", "copy or export the film again")
    if is_dicom(data[:132]):
        # pydicom and its codecs take longer to import than an ordinary film to read.
        from pneumoscope.image.dicom import read_dicom

        return _finish(read_dicom(data, source))
    kind = _image_kind(data, source)
    notes: list[str] = []
    pixels = raster_pixels(data, kind, source, notes)
    return _finish(Radiograph(pixels, source, kind, warnings=tuple(notes)))


def _image_kind(data: bytes, source: str) -> str:
    """Name of the format by its signature."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        return "TIFF"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in (12, 40, 52, 56, 64, 108, 124):
        return "BMP"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"GIF8"):
        raise RejectedFilmError(
            source, "it is a GIF, an animation or a picture of at most 256 colours", "send the original film"
        )
    for offset, signature, description in _OTHER_FORMATS:
        if data[offset : offset + len(signature)] == signature:
            raise _unknown(source, f"it is {description}, no film that can be read")
    if _is_text(data[:512]):
        raise _unknown(source, "it is text, not an image, whatever its name says")
    raise _unknown(source, "its format is unknown: neither DICOM nor an image")


def _unknown(source: str, cause: str) -> UnreadableFilmError:
    return UnreadableFilmError(source, cause, "send DICOM, PNG, JPEG, TIFF, BMP or WebP")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character cut by the end of the sample
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _from_array(array: NDArray[Any], source: str) -> Pixels:
    if array.ndim != 2:
        raise UnreadableFilmError(
            source, f"the array has shape {array.shape}", "pass one film as (H, W), in grey"
        )
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise UnreadableFilmError(
            source,
            f"values of type {array.dtype} have no defined black and white",
            "scale them to uint8 (0 to 255) or uint16 (0 to 65535)",
        )
    check_declared_size(source, *array.shape)
    # A copy: the caller may go on writing into the array.
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)


def _finish(film: Radiograph) -> Radiograph:
    """Checks that every film passes, whatever its format."""
    check_sides(film.source, film.height, film.width)
    film.pixels.flags.writeable = False
    notes = []
    brightest = int(film.pixels.max())
    if film.pixels.dtype == np.uint16 and 0 < brightest < _LEVELS_OF_12_BITS:
        notes.append(
            f"the 16-bit film uses only values up to {brightest} of 65535: it may have been stored with fewer"
            " bits and appear too dark"
        )
    return replace(film, warnings=(*film.warnings, *notes)) if notes else film
