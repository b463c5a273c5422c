"""The one frame of a DICOM film to an array of stored words, one decoder per codec.

| transfer syntax                          | decoder                          |
|------------------------------------------|----------------------------------|
| uncompressed, deflated                   | numpy                            |
| RLE                                      | pydicom                          |
| JPEG baseline, JPEG extended of 8 bits   | Pillow (libjpeg-turbo)           |
| JPEG extended of 12 bits, JPEG lossless  | GDCM, in another process         |
| JPEG-LS                                  | GDCM, in another process         |
| JPEG 2000                                | pylibjpeg-openjpeg (OpenJPEG)    |

Every compressed frame declares its own size; it must agree with the header before a decoder sees it.
Source: DICOM PS3.5, 8.2 and annex A.4.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import current_thread, main_thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import decode as decode_jpeg2000
from PIL.JpegImagePlugin import JpegImageFile
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder

from pneumoscope.image.codec_process import decode_with_gdcm, decode_with_openjpeg
from pneumoscope.image.decoding import DICOM_WARNING, StructureError, noted_warnings
from pneumoscope.image.jpeg_rows import check_jpeg_rows
from pneumoscope.image.radiograph import Pixels
from pneumoscope.image.structure import Outline, jpeg2000_outline, jpeg_outline

__all__ = ["UNCOMPRESSED", "stored_words"]

Integers = NDArray[np.integer[Any]]

UNCOMPRESSED = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    }
)
_LOSSY_JPEG = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit})
_LOSSLESS_JPEG = frozenset({uid.JPEGLossless, uid.JPEGLosslessSV1})
_JPEG_LS = frozenset({uid.JPEGLSLossless, uid.JPEGLSNearLossless})
_JPEG_2000 = frozenset({uid.JPEG2000Lossless, uid.JPEG2000})


def stored_words(film: Dataset, syntax: uid.UID, notes: list[str]) -> Pixels:
    """Decode the pixels of a single-frame, one-channel film.

    Args:
        film: with Pixel Data, Rows, Columns, Bits Allocated (8 or 16), Bits Stored.
        syntax: Transfer Syntax UID.
        notes: sentences for the person who reads the result are appended.

    Returns:
        (Rows, Columns) uint8 or uint16 by Bits Allocated: words with any sign bit as just another bit.

    Raises:
        StructureError: fewer pixels than declared, or twice as many, a compressed frame that contradicts the
            header, or a transfer syntax that is not supported.
        DECODER_ERRORS: as the decoder raises them.
    """
    if syntax in UNCOMPRESSED:
        words = _uncompressed(film, syntax, notes)
    elif syntax == uid.RLELossless:
        with noted_warnings(notes, DICOM_WARNING):
            words, _ = get_decoder(syntax).as_array(film, index=0, raw=True)
    elif syntax in _LOSSY_JPEG | _LOSSLESS_JPEG | _JPEG_LS | _JPEG_2000:
        with noted_warnings(notes, DICOM_WARNING):
            frame = get_frame(film.PixelData, 0, number_of_frames=1)
        outline = jpeg2000_outline(frame) if syntax in _JPEG_2000 else jpeg_outline(frame)
        _check_agreement(outline, film)
        words = _decode(frame, outline, film, syntax)
    else:
        raise StructureError(f"its transfer syntax, {syntax.name}, is not supported")
    # A codestream of fewer bits comes narrower than allocated, a signed one in a signed type.
    words = words.reshape(film.Rows, film.Columns)
    if film.BitsAllocated == 8:
        return words.astype(np.uint8, copy=False)
    return words.astype(np.uint16, copy=False)


def _uncompressed(film: Dataset, syntax: uid.UID, notes: list[str]) -> Integers:
    count = film.Rows * film.Columns
    data, itemsize = film.PixelData, film.BitsAllocated // 8
    declared = count * itemsize
    if len(data) < declared:
        raise StructureError(f"its pixel data are cut short: {len(data):,} of {declared:,} bytes are there")
    if len(data) >= 2 * declared:
        raise StructureError(
            f"its pixel data have {len(data):,} bytes where its header declares {declared:,}: they are of "
            "another type, or of several images"
        )
    if len(data) > declared + declared % 2:  # one byte makes the length even
        notes.append(DICOM_WARNING)
    if itemsize == 2:
        return np.frombuffer(data, ">u2" if syntax == uid.ExplicitVRBigEndian else "<u2", count=count)
    if syntax == uid.ExplicitVRBigEndian and film["PixelData"].VR == "OW":  # pairs of bytes are swapped
        pairs = np.frombuffer(data, np.uint16, count=len(data) // 2).byteswap()
        return pairs.view(np.uint8)[:count]
    return np.frombuffer(data, np.uint8, count=count)


def _check_agreement(outline: Outline, film: Dataset) -> None:
    if (outline.height, outline.width) != (film.Rows, film.Columns):
        raise StructureError(
            f"its compressed frame is {outline.width} x {outline.height} pixels, its header says"
            f" {film.Columns} x {film.Rows}"
        )
    if outline.channels != 1:
        raise StructureError(f"its compressed frame has {outline.channels} channels, its header says 1")
    if not 2 <= outline.bits <= film.BitsAllocated:
        raise StructureError(
            f"its compressed frame has {outline.bits} bits per pixel, its header {film.BitsAllocated}"
        )


def _decode(frame: bytes, outline: Outline, film: Dataset, syntax: uid.UID) -> Integers:
    if syntax in _JPEG_2000:
        return _openjpeg(frame)
    if syntax in _LOSSY_JPEG and outline.bits == 8:
        image = JpegImageFile(BytesIO(frame))
        check_jpeg_rows(image)
        return np.asarray(image)
    if syntax in _JPEG_LS and outline.bits in (6, 7):
        # GDCM decodes these to nothing without saying so.
        raise StructureError(f"JPEG-LS of {outline.bits} bits is not supported")
    return _gdcm(frame, outline, film, syntax)


def _gdcm(frame: bytes, outline: Outline, film: Dataset, syntax: uid.UID) -> Integers:
    # With 12 bits allocated GDCM takes its 12-bit JPEG decoder at once, with 16 only after a complaint on
    # the standard error stream.
    allocated = 8 if outline.bits <= 8 else 12 if syntax == uid.JPEGExtended12Bit else 16
    stored = min(outline.bits, allocated)
    shape = (int(film.Rows), int(film.Columns))
    with _starting_processes():
        return decode_with_gdcm(frame, shape, allocated, stored, str(syntax))


def _openjpeg(frame: bytes) -> Integers:
    if current_thread() is main_thread():
        pixels: Integers = decode_jpeg2000(frame)
        return pixels
    with _starting_processes():
        # Here the wrapper would stop all other threads, be they those that score or one that serves.
        return decode_with_openjpeg(frame)


@contextmanager
def _starting_processes() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StructureError("no process could be started to decode its compressed pixels") from error
