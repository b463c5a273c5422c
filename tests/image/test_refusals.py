"""What is no film gets a clear error of its own, at once, and no warning."""

import os
import struct
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from pydicom import uid

from generated import chest_like
from image.made_dicom import LOSSLESS, LOSSY, dataset, dicom_bytes
from image.made_images import bits16, encoded, png, png_chunk, tiff
from pneumoscope.errors import FilmError, RejectedFilmError, UnreadableFilmError
from pneumoscope.image import codec_process
from pneumoscope.image.read import read

FILM = chest_like(3, height=80, width=72)
GREY = Image.fromarray(FILM)
FRAMES = [Image.fromarray(np.roll(FILM, shift, axis=0)) for shift in (0, 9, 20)]
RGB_FRAMES = [frame.convert("RGB") for frame in FRAMES]
WHOLE = {
    "PNG": encoded(GREY, "PNG"),
    "PNG 16": encoded(Image.fromarray(bits16(FILM)), "PNG"),
    "JPEG": encoded(GREY, "JPEG"),
    "JPEG progressive": encoded(GREY.convert("RGB"), "JPEG", progressive=True),
    "TIFF": encoded(GREY, "TIFF"),
    "TIFF LZW": encoded(GREY, "TIFF", compression="tiff_lzw"),
    "BMP": encoded(GREY, "BMP"),
    "WebP": encoded(GREY.convert("RGB"), "WEBP"),
} | {f"DICOM {syntax.name}": dicom_bytes(dataset(FILM), syntax) for syntax in LOSSLESS + LOSSY}

JPEG_LS = WHOLE[f"DICOM {uid.JPEGLSLossless.name}"]

UNREADABLE = {
    "zero bytes": (b"", "empty"),
    "text": (b"patient 12, chest, normal\n" * 9, "it is text"),
    "text in UTF-8, cut inside a character": ("Lungenentzündung".encode() * 64, "it is text"),
    "web page": (b"<!DOCTYPE html><html>", "it is text"),
    "PDF": (b"%PDF-1.7\n" + bytes(200), "PDF"),
    "ZIP": (b"PK\x03\x04" + bytes(200), "ZIP"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(200), "HEIC"),
    "noise": (bytes(range(128, 256)) * 9, "format is unknown"),
    "DICOM prefix only": (bytes(128) + b"DICM", "no pixel data"),
    "floating point TIFF": (tiff(FILM.astype(np.float32)), "floating point"),
    "signed TIFF": (tiff(-FILM.astype(np.int16)), "signed"),
    "32-bit TIFF": (tiff(FILM.astype(np.int32) << 16), "32-bit"),
    "PNG bomb": (png(50_000, 50_000, bytes(1000)), "decompression bomb"),
    "PNG of no width": (png(0, 100, b""), "0 x 100"),
    "PNG header missing": (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IEND", b""), "header"),
    "TIFF bomb": (tiff(FILM, t256=40_000, t257=40_000), "decompression bomb"),
    "TIFF tile bomb": (tiff(FILM, t322=40_000, t323=40_000, t324=200, t325=9), "decompression bomb"),
    "BMP bomb": (
        WHOLE["BMP"][:18] + struct.pack("<ii", 60_000, 60_000) + WHOLE["BMP"][26:],
        "decompression bomb",
    ),
    "WebP bomb": (
        b"RIFF"
        + struct.pack("<I", 30)
        + b"WEBPVP8X\x0a\0\0\0"
        + bytes(4)
        + b"\xff\xff\x3f\xff\xff\x3f"
        + bytes(8),
        "decompression bomb",
    ),
    "JPEG bomb": (
        b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0" + bytes(20) + b"\xff\xd9",
        "decompression bomb",
    ),
    "JPEG of 12 bits": (
        b"\xff\xd8\xff\xc1\0\x0b\x0c\x01\0\x01\0\x01\x01\x11\0" + bytes(20) + b"\xff\xd9",
        "12 bits",
    ),
    "DICOM bomb": (dicom_bytes(dataset(FILM, Rows=60_000, Columns=60_000)), "decompression bomb"),
    "DICOM of many frames": (dicom_bytes(dataset(FILM, NumberOfFrames=200_000)), "decompression bomb"),
    "PNG text bomb": (
        png(72, 80, bytes(73 * 80), extra=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27)))),
        "damaged",
    ),
    "PNG with a wrong checksum": (WHOLE["PNG"][:40] + b"\x55" + WHOLE["PNG"][41:], "checksum|cut short"),
}
REJECTED = {
    "animated PNG": (encoded(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "3 images"),
    "animated WebP": (encoded(RGB_FRAMES[0], "WEBP", save_all=True, append_images=RGB_FRAMES[1:]), "images"),
    "animated GIF": (encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), "GIF"),
    "pages of TIFF": (encoded(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "3 images"),
    "frames of DICOM": (dicom_bytes(dataset(FILM, NumberOfFrames=2)), "2 images"),
    "one pixel": (encoded(Image.new("L", (1, 1)), "PNG"), "1 x 1 pixels, too small"),
    "63 rows": (encoded(Image.fromarray(FILM[:63]), "TIFF"), "72 x 63 pixels, too small"),
    "strip": (encoded(Image.fromarray(np.tile(FILM, (8, 1))), "PNG"), "strip of 72 x 640"),
    "DICOM strip": (dicom_bytes(dataset(np.tile(FILM, (1, 9)))), "strip of 648 x 80"),
    "small DICOM": (dicom_bytes(dataset(FILM[:63])), "too small"),
    "one bit": (encoded(GREY.convert("1"), "PNG"), "one bit"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable(name):
    data, cause = UNREADABLE[name]
    tracemalloc.start()
    with pytest.raises(UnreadableFilmError, match=cause) as caught:
        read(data, name="film.png")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6
    assert str(caught.value).startswith("film.png: ")
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(name):
    data, cause = REJECTED[name]
    with pytest.raises(RejectedFilmError, match=cause):
        read(data)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("switch", [False, True])
def test_a_file_cut_short_is_never_scored(name, switch, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", switch)  # as many a script sets it
    data = WHOLE[name]
    assert read(data).pixels.shape == FILM.shape
    if switch and name in ("TIFF", "TIFF LZW", "BMP", "WebP"):
        cuts = []  # Pillow's own check is the only one for these
    else:
        cuts = [len(data) * share // 12 for share in range(1, 12)]
    for cut in cuts:
        with pytest.raises(UnreadableFilmError):
            read(data[:cut])


def test_paths_that_are_no_film(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    cases = {
        tmp_path / "absent.png": "no such file",
        tmp_path: "folder",
        tmp_path / "pipe": "no regular file",
        Path(os.devnull): "no regular file",
        Path("a\0b"): "cannot be opened",
    }
    for path, cause in cases.items():
        with pytest.raises(UnreadableFilmError, match=cause):
            read(path)


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "huge.dcm"
    with path.open("wb") as file:
        file.truncate(300 * 2**20)  # sparse
    with pytest.raises(UnreadableFilmError, match="larger than 256 MB"):
        read(path)
    with path.open("rb") as file, pytest.raises(UnreadableFilmError, match="larger than 256 MB"):
        read(file)


def test_a_closed_file_object_is_refused():
    file = BytesIO(WHOLE["PNG"])
    file.close()
    with pytest.raises(UnreadableFilmError, match="keep it open"):
        read(file)


@pytest.mark.parametrize(
    ("array", "cause"),
    [
        (np.zeros((80, 80), np.float32), "float32"),
        (np.zeros((80, 80), np.int16), "int16"),
        (np.zeros((80, 80), np.bool_), "bool"),
        (np.zeros((80, 80, 3), np.uint8), "shape"),
        (np.zeros(80, np.uint8), "shape"),
        (np.zeros((0, 80), np.uint8), "80 x 0"),
    ],
)
def test_arrays_that_are_no_film(array, cause):
    with pytest.raises(UnreadableFilmError, match=cause):
        read(array)


def test_a_deflated_bomb_is_not_inflated():
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole = dicom_bytes(dataset(FILM), uid.DeflatedExplicitVRLittleEndian)
    (meta,) = struct.unpack_from("<I", whole, 140)
    tag = struct.pack("<HH2sHI", 0x0009, 0x0010, b"OB", 0, 1 << 29)
    start = deflater.compress(tag) + deflater.flush(zlib.Z_FULL_FLUSH)
    mebibyte = deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_FULL_FLUSH)
    body = start + mebibyte * 512 + deflater.flush()
    with pytest.raises(UnreadableFilmError, match="inflates to more"):
        read(whole[: 144 + meta] + body)


def test_a_codec_that_cannot_be_started_is_not_blamed_on_the_film(monkeypatch, tmp_path):
    monkeypatch.setattr("pneumoscope.image.codec_process._POOL", codec_process._Pool())
    monkeypatch.setattr("sys.executable", str(tmp_path / "absent"))
    with pytest.raises(UnreadableFilmError, match="no process could be started"):
        read(JPEG_LS)


def test_threads_leave_the_warning_filters_alone():
    damaged = dicom_bytes(dataset(FILM, PatientAge="034Y"), uid.RLELossless)
    sources = [*WHOLE.values(), damaged, *(data for data, _ in REJECTED.values())] * 3
    before = list(warnings.filters)

    def outcome(data: bytes) -> str:
        try:
            return read(data).format
        except FilmError as error:
            return error.status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, sources)) == [outcome(data) for data in sources]
    assert list(warnings.filters) == before


def test_a_file_object_at_its_end_is_not_called_an_empty_file():
    file = BytesIO(WHOLE["PNG"])
    assert read(file).pixels.shape == FILM.shape
    with pytest.raises(UnreadableFilmError, match=r"nothing left to read; rewind"):
        read(file)


@pytest.mark.parametrize(
    "keyword", ["Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"]
)
def test_a_missing_element_is_named(keyword):
    with pytest.raises(UnreadableFilmError, match=f"lacks {keyword}"):
        read(dicom_bytes(dataset(FILM, **{keyword: None})))
