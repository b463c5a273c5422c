import os
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from generated import chest_like
from image.made_dicom import dataset, dicom_bytes
from image.made_images import bits16, encoded, png, tiff
from pneumoscope.errors import RejectedFilmError, UnreadableFilmError
from pneumoscope.image.raster import COLOURED_SHARE, coloured_share
from pneumoscope.image.read import FILM_SUFFIXES, begins_like_dicom, read

FILM = chest_like(7, height=96, width=83)
DEEP = bits16(FILM)
GREY = Image.fromarray(FILM)

SAME_8_BIT = {
    "PNG": encoded(GREY, "PNG"),
    "PNG interlaced off, RGB": encoded(GREY.convert("RGB"), "PNG"),
    "PNG palette": encoded(GREY.convert("P"), "PNG"),
    "PNG with alpha": encoded(GREY.convert("LA"), "PNG"),
    "PNG RGBA": encoded(GREY.convert("RGBA"), "PNG"),
    "TIFF": encoded(GREY, "TIFF"),
    "TIFF LZW": encoded(GREY, "TIFF", compression="tiff_lzw"),
    "TIFF deflate": encoded(GREY, "TIFF", compression="tiff_deflate"),
    "TIFF big-endian": tiff(FILM, order=">"),
    "TIFF RGB": encoded(GREY.convert("RGB"), "TIFF"),
    "TIFF white is zero": tiff(255 - FILM, t262=0),
    "TIFF CMYK": encoded(GREY.convert("RGB").convert("CMYK"), "TIFF"),
    "BMP": encoded(GREY, "BMP"),
    "BMP RGB": encoded(GREY.convert("RGB"), "BMP"),
    "WebP lossless": encoded(GREY.convert("RGB"), "WEBP", lossless=True),
    "WebP lossless alpha": encoded(GREY.convert("RGBA"), "WEBP", lossless=True),
    "DICOM": dicom_bytes(dataset(FILM)),
    "DICOM JPEG 2000": dicom_bytes(dataset(FILM), uid.JPEG2000Lossless),
}
SAME_16_BIT = {
    "PNG": encoded(Image.fromarray(DEEP), "PNG"),
    "TIFF": encoded(Image.fromarray(DEEP), "TIFF"),
    "TIFF deflate": encoded(Image.fromarray(DEEP), "TIFF", compression="tiff_deflate"),
    "TIFF little-endian": tiff(DEEP),
    "TIFF big-endian": tiff(DEEP, order=">"),
    "TIFF white is zero": tiff(65535 - DEEP, t262=0),
    "DICOM": dicom_bytes(dataset(DEEP)),
    "DICOM big-endian": dicom_bytes(dataset(DEEP), uid.ExplicitVRBigEndian),
    "DICOM JPEG-LS": dicom_bytes(dataset(DEEP), uid.JPEGLSLossless),
}


@pytest.mark.parametrize("name", SAME_8_BIT)
def test_same_8_bit_pixels_in_any_format_give_equal_arrays(name):
    film = read(SAME_8_BIT[name])
    assert film.pixels.dtype == np.uint8
    assert np.array_equal(film.pixels, FILM)
    assert film.warnings == ()
    assert film.format == name.split()[0].upper()


@pytest.mark.parametrize("name", SAME_16_BIT)
def test_same_16_bit_pixels_in_any_format_give_equal_arrays(name):
    film = read(SAME_16_BIT[name])
    assert film.pixels.dtype == np.uint16
    assert film.pixels.dtype.isnative
    assert np.array_equal(film.pixels, DEEP)
    assert film.warnings == ()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "progressive"])
def test_jpeg_is_what_pillow_decodes(mode):
    if mode == "progressive":
        data = encoded(GREY, "JPEG", quality=90, progressive=True)
    else:
        data = encoded(GREY.convert("RGB").convert(mode), "JPEG", quality=90)
    with Image.open(BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB").convert("L"))
    film = read(data)
    assert np.array_equal(film.pixels, expected)
    assert np.abs(film.pixels.astype(int) - FILM).mean() < 4


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_jpeg_cut_short_is_refused_whatever_stands_at_its_end(share, colour):
    """Pillow decodes such a file without a word, and makes up the rest."""
    image = GREY.resize((640, 512))
    data = encoded(image.convert("RGB") if colour else image, "JPEG", quality=90)
    cut = data[: int(len(data) * share)] + b"\xff\xd9"
    with Image.open(BytesIO(cut)) as opened:
        assert np.asarray(opened.convert("L"))[-1].min() == np.asarray(opened.convert("L"))[-1].max() == 128
    with pytest.raises(UnreadableFilmError, match=r"cut short: the last [0-9]+ of its 512 rows are missing"):
        read(cut)
    if not colour:
        whole = dcmread(BytesIO(dicom_bytes(dataset(np.asarray(image)), uid.JPEGBaseline8Bit)))
        whole.PixelData = encapsulate([cut + b"\0" * (len(cut) % 2)])
        file = BytesIO()
        whole.save_as(file)
        with pytest.raises(UnreadableFilmError, match="rows are missing"):
            read(file.getvalue())
    assert read(data).pixels.shape == (512, 640)


def test_a_frame_of_the_grey_that_decoders_make_up_is_no_damage():
    framed = ImageOps.expand(GREY.resize((320, 256)), 40, 128)
    assert read(encoded(framed, "JPEG", quality=90)).pixels.shape == (336, 400)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = GREY.convert("RGB") if kind == "WEBP" else GREY
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(image, kind, exif=exif, **options)
    with Image.open(BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("L"))
    assert expected.shape == ((83, 96) if orientation > 4 else (96, 83))
    assert np.array_equal(read(data).pixels, expected)
    with Image.open(BytesIO(data)) as opened:
        assert np.array_equal(read(opened).pixels, expected)


def test_every_kind_of_source_gives_the_same_film(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(SAME_8_BIT["PNG"])
    with path.open("rb") as file, Image.open(path) as image:
        films = {
            str(path): read(path),
            "text": read(str(path), name="text"),
            "<bytes>": read(SAME_8_BIT["PNG"]),
            "<file>": read(BytesIO(SAME_8_BIT["PNG"])),
            "opened": read(file, name="opened"),
            "<image>": read(image),
            "<array>": read(FILM),
        }
    for source, film in films.items():
        assert film.source == source
        assert np.array_equal(film.pixels, FILM)
        assert not film.pixels.flags.writeable
    assert films["<image>"].format == "IMAGE"
    assert films["<array>"].format == "ARRAY"


def test_arrays_are_copied_and_made_native():
    array = DEEP.astype(">u2")
    film = read(array)
    array[:] = 0
    assert film.pixels.dtype == np.dtype(np.uint16)
    assert np.array_equal(film.pixels, DEEP)


def test_deep_pillow_images_keep_their_depth():
    assert np.array_equal(read(Image.fromarray(DEEP)).pixels, DEEP)
    assert np.array_equal(read(Image.fromarray(DEEP.astype(np.int32))).pixels, DEEP)


def test_transparent_parts_are_black_and_said_so():
    alpha = np.full(FILM.shape, 255, np.uint8)
    alpha[:20] = 0
    film = read(encoded(Image.merge("LA", (GREY, Image.fromarray(alpha))), "PNG"))
    assert not film.pixels[:20].any()
    assert np.array_equal(film.pixels[20:], FILM[20:])
    assert "transparent" in film.warnings[0]


def test_12_bits_in_a_16_bit_file_are_pointed_out():
    film = read(encoded(Image.fromarray(DEEP >> 4), "PNG"))
    assert np.array_equal(film.pixels, DEEP >> 4)
    assert "fewer bits" in film.warnings[0]


def test_colour_of_a_16_bit_file_is_pointed_out():
    rows = np.repeat(DEEP.astype(">u2")[:, :, None], 3, axis=2).reshape(96, -1)
    film = read(png(83, 96, b"".join(b"\0" + row.tobytes() for row in rows), bits=16, colour=2))
    assert np.array_equal(film.pixels, FILM)
    assert "upper 8 bits" in film.warnings[0]


def coloured_film(share: float) -> Image.Image:
    pixels = np.repeat(FILM[:, :, None], 3, axis=2)
    pixels[: round(96 * share)] = (200, 40, 40)
    return Image.fromarray(pixels)


def test_a_colour_photograph_is_refused_and_coloured_letters_are_not():
    generator = np.random.default_rng(0)
    hues = Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((96, 96))
    for kind, options in (("PNG", {}), ("JPEG", {"quality": 90}), ("WEBP", {}), ("BMP", {}), ("TIFF", {})):
        with pytest.raises(RejectedFilmError, match="colour image"):
            read(encoded(hues, kind, **options))
        assert read(encoded(coloured_film(0.02), kind, **options)).pixels.shape == (96, 83)
    with pytest.raises(RejectedFilmError, match="colour image"):
        read(encoded(coloured_film(0.2).convert("P"), "PNG"))
    with pytest.raises(RejectedFilmError, match="colour image"):
        read(encoded(coloured_film(0.2).convert("CMYK"), "JPEG"))


def test_coloured_share_counts_pixels():
    assert coloured_share(coloured_film(0.25)) == pytest.approx(0.25, abs=0.01)
    assert coloured_share(GREY.convert("RGB")) == 0
    assert coloured_share(coloured_film(0.25).resize((2000, 1500))) == pytest.approx(0.25, abs=0.01)


def test_dicom_is_told_by_its_first_bytes(tmp_path):
    files = {
        "whole": (dicom_bytes(dataset(FILM)), True),
        "no-preamble": (dicom_bytes(dataset(FILM), preamble=False), True),
        "no-meta": (dicom_bytes(dataset(FILM), uid.ImplicitVRLittleEndian, meta=False), True),
        "png.dcm": (SAME_8_BIT["PNG"], False),
        "text.dcm": (b"not a film", False),
        "empty.dcm": (b"", False),
    }
    for name, (data, expected) in files.items():
        (tmp_path / name).write_bytes(data)
        assert begins_like_dicom(tmp_path / name) is expected
    os.mkfifo(tmp_path / "pipe")
    assert not begins_like_dicom(tmp_path / "pipe")
    assert not begins_like_dicom(tmp_path / "absent")
    assert not begins_like_dicom(tmp_path)
    assert {".dcm", ".png", ".jpeg", ".tif"} <= FILM_SUFFIXES


def test_names_do_not_decide_the_format(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(SAME_8_BIT["TIFF"])
    assert read(path).format == "TIFF"


@pytest.mark.parametrize("source", [None, 3, [1, 2], StringIO("text")])
def test_other_objects_are_refused(source):
    with pytest.raises(UnreadableFilmError, match="binary"):
        read(source)


@pytest.mark.pool
def test_films_of_the_pool_are_grey(pool: Path):
    folders = {path.parent for path in pool.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png")}
    films = [path for folder in sorted(folders) for path in sorted(folder.iterdir())[:5]]
    assert len(films) >= 50
    for path in films:
        if path.suffix in (".jpg", ".jpeg", ".png"):
            assert read(path).pixels.ndim == 2
    assert COLOURED_SHARE < 0.1
