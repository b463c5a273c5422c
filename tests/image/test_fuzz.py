"""However a file is damaged, it becomes a film or a `FilmError`: no other exception, no warning."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from generated import chest_like
from image.made_dicom import LOSSLESS, LOSSY, dataset, dicom_bytes
from image.made_images import bits16, encoded, tiff
from pneumoscope.errors import FilmError
from pneumoscope.image.read import read

FILM = chest_like(4, height=66, width=70)
GREY = Image.fromarray(FILM)
DEEP = Image.fromarray(bits16(FILM))
EXIF = Image.Exif()
EXIF[0x0112] = 6

IMAGES = [
    encoded(GREY, "PNG", exif=EXIF),
    encoded(DEEP, "PNG"),
    encoded(GREY.convert("P"), "PNG"),
    encoded(GREY.convert("RGBA"), "PNG"),
    encoded(GREY, "JPEG", exif=EXIF),
    encoded(GREY.convert("RGB"), "JPEG", progressive=True),
    encoded(GREY.convert("CMYK"), "JPEG"),
    encoded(GREY, "TIFF", compression="tiff_lzw"),
    encoded(DEEP, "TIFF", compression="tiff_deflate"),
    encoded(GREY, "TIFF", compression="jpeg"),
    tiff(bits16(FILM), order=">"),
    encoded(GREY, "BMP"),
    encoded(GREY.convert("RGB"), "WEBP"),
    encoded(GREY.convert("RGBA"), "WEBP", lossless=True),
]
HEADER = {
    "WindowCenter": "100",
    "WindowWidth": "200",
    "RescaleSlope": "1",
    "RescaleIntercept": "0",
    "PixelPaddingValue": 0,
    "PatientAge": "034Y",
    "SeriesDescription": "CHEST PA",
    "PatientOrientation": ["L", "F"],
}
DICOMS = [dicom_bytes(dataset(FILM, **HEADER), syntax) for syntax in LOSSLESS + LOSSY]

damage = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "drop", "insert"]),
        st.floats(0, 1, exclude_max=True),  # where, as a share of the file
        st.sampled_from([0.02, 0.2, 1.0]),  # of which first part
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, steps: list[tuple[str, float, float, int]]) -> bytes:
    result = bytearray(data)
    for kind, where, part, value in steps:
        if not result:
            break
        position = int(where * part * len(result))
        if kind == "flip":
            result[position] ^= 1 << value % 8
        elif kind == "set":
            result[position] = value
        elif kind == "cut":
            del result[position:]
        elif kind == "drop":
            del result[position : position + 1 + value % 40]
        else:
            result[position:position] = bytes([value]) * (1 + value % 7)
    return bytes(result)


def film_or_error(data: bytes) -> None:
    try:
        film = read(data)
    except FilmError as error:
        assert error.cause and error.remedy
        assert "SECRET" not in str(error)
    else:
        assert film.pixels.ndim == 2
        assert film.pixels.dtype in (np.uint8, np.uint16)
        assert "SECRET" not in repr(film)


@settings(max_examples=400, deadline=None)
@given(data=st.sampled_from(IMAGES), steps=damage)
def test_damaged_images(data, steps):
    film_or_error(damaged(data, steps))


@settings(max_examples=200, deadline=None)
@given(data=st.sampled_from(DICOMS), steps=damage)
@example(data=DICOMS[1], steps=[("set", 0.0, 1.0, 255)])
def test_damaged_dicom(data, steps):
    film_or_error(damaged(data, steps))


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=400), start=st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\0\x05\0CS", b"BM"])
)
def test_noise(data, start):
    film_or_error(start + data)
