"""PNG, JPEG, TIFF, BMP and WebP, and Pillow images, to grey pixels."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pneumoscope.errors import RejectedFilmError, UnreadableFilmError
from pneumoscope.image.decoding import decoding, noted_warnings
from pneumoscope.image.jpeg_rows import check_jpeg_rows
from pneumoscope.image.limits import check_declared_size, check_sides
from pneumoscope.image.radiograph import Pixels
from pneumoscope.image.structure import Outline, jpeg_outline, png_outline, webp_outline

__all__ = [
    "COLOURED_CHROMA",
    "COLOURED_SHARE",
    "OVERLAY_SOFTWARE",
    "coloured_share",
    "image_pixels",
    "raster_pixels",
]

COLOURED_CHROMA = 24
"""A pixel is coloured where its largest and smallest channel lie further apart than this, of 255."""

COLOURED_SHARE = 0.05
"""An image is a colour image where more than this share of its pixels is coloured."""

OVERLAY_SOFTWARE = "pneumoscope overlay"
"""What an overlay says in its `Software` text: it often lies beside films, and must not be scored as one."""

_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "WEBP": WebPImageFile,
}
_OUTLINES = {"PNG": png_outline, "JPEG": jpeg_outline, "WEBP": webp_outline}
_METADATA_WARNING = "the image file's metadata are damaged; its pixels could be read"
_NARROWED = "the 16-bit image has several channels; only the upper 8 bits of each were read"
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258
_PHOTOMETRIC = 262
_TILE_WIDTH = 322
_TILE_HEIGHT = 323
_COLOUR_SAMPLE = 512


def raster_pixels(data: bytes, kind: str, source: str, notes: list[str]) -> Pixels:
    """Decode an image file to grey.

    Args:
        data: the whole file.
        kind: "PNG", "JPEG", "TIFF", "BMP" or "WEBP".
        source: how the caller named the film.
        notes: sentences for the person who reads the result are appended.

    Returns:
        (H, W) uint8, or uint16 for a file of more than 8 bits; upright by its EXIF orientation; 0 is black.

    Raises:
        UnreadableFilmError: damaged, cut short, or too large.
        RejectedFilmError: several images, colour, one bit, too small, or an overlay.
    """
    with decoding(source, kind):
        outline = _OUTLINES[kind](data) if kind in _OUTLINES else None
        if outline is not None:
            check_declared_size(source, outline.height, outline.width)
            check_sides(source, outline.height, outline.width)
            _check_sample_format(outline, kind, source, notes)
        with noted_warnings(notes, _METADATA_WARNING):
            # The plugin itself: Image.open would guess the format, follow multi-picture headers, and check
            # the size only after reading it. No file name: Pillow would map that file instead of `data`.
            image = _PLUGINS[kind](BytesIO(data))
            check_declared_size(source, image.height, image.width)
            _check_single(image, source)
            if image.info.get("Software") == OVERLAY_SOFTWARE:
                raise RejectedFilmError(
                    source, "it is an overlay drawn by pneumoscope", "send the film itself"
                )
            if isinstance(image, TiffImageFile):
                _check_tiff(image, source, notes)
                image.load()  # it parses more metadata
        image.load()
        if kind == "JPEG":
            check_jpeg_rows(image)
        return image_pixels(image, source, notes)


def _check_sample_format(outline: Outline, kind: str, source: str, notes: list[str]) -> None:
    if outline.frames > 1:
        raise _several_images(source, outline.frames)
    if kind == "JPEG" and outline.bits != 8:
        raise UnreadableFilmError(
            source,
            f"it is a JPEG file of {outline.bits} bits, which only DICOM files use",
            "save it as 16-bit PNG",
        )
    if outline.bits == 16 and outline.channels > 1:
        notes.append(_NARROWED)


def _check_tiff(image: TiffImageFile, source: str, notes: list[str]) -> None:
    tags = image.tag_v2
    # Tiles are decoded whole, however small the image is that they cover.
    check_declared_size(source, int(tags.get(_TILE_HEIGHT, 1)), int(tags.get(_TILE_WIDTH, 1)))
    bits = tags.get(_BITS_PER_SAMPLE, (8,))
    if len(bits) > 1 and max(bits) > 8:
        notes.append(_NARROWED)


def _several_images(source: str, frames: int) -> RejectedFilmError:
    return RejectedFilmError(source, f"the file holds {frames:,} images", "send one film per file")


def _check_single(image: Image.Image, source: str) -> None:
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        raise _several_images(source, frames)


def image_pixels(image: Image.Image, source: str, notes: list[str]) -> Pixels:
    """Grey pixels of a Pillow image.

    Channels that agree are a grey film saved as colour: they become luma by ITU-R BT.601, which leaves equal
    channels exactly as they are. Transparent parts are composited on black, as they show no film.

    Args:
        image: of any mode; not changed.
        source: how the caller named the film.
        notes: sentences for the person who reads the result are appended.

    Returns:
        (H, W) uint8 or uint16, upright by EXIF orientation, read-only.

    Raises:
        UnreadableFilmError: floating point or 32-bit values, which have no defined black and white; damaged.
        RejectedFilmError: several images, colour, or one bit.
    """
    check_declared_size(source, image.height, image.width)
    with decoding(source, "image"), noted_warnings(notes, _METADATA_WARNING):
        _check_single(image, source)
        image.load()  # before the orientation is asked for: TIFF applies its own
        orientation = image.getexif().get(_ORIENTATION, 1)
    with decoding(source, "image"):
        return _upright(_grey(image, source, notes), orientation)


def _grey(image: Image.Image, source: str, notes: list[str]) -> Pixels:
    mode = image.mode
    if mode == "L":
        return np.asarray(image)
    if mode == "I" or mode.startswith("I;16"):
        return _deep(image, source)
    if mode == "F":
        raise UnreadableFilmError(
            source,
            "its floating point values have no defined black and white",
            "save it as 16-bit PNG or TIFF",
        )
    if mode == "1":
        raise RejectedFilmError(
            source, "it has one bit per pixel, only black and white", "send the film with its grey levels"
        )
    if mode in ("LA", "PA", "RGBA", "RGBa") or (mode == "P" and "transparency" in image.info):
        image = _opaque(image, notes)
    elif mode not in ("RGB", "RGBX", "P", "CMYK", "YCbCr", "HSV"):
        raise UnreadableFilmError(
            source, f"its pixels are of the unusual kind {mode}", "save it as 8-bit grey PNG"
        )
    colour = image if image.mode == "RGB" else image.convert("RGB")
    share = coloured_share(colour)
    if share > COLOURED_SHARE:
        raise RejectedFilmError(
            source,
            f"it is a colour image ({share:.0%} of its pixels are coloured), not a radiograph",
            "if it is a tinted radiograph, convert it to greyscale",
        )
    return np.asarray(colour.convert("L"))


def _deep(image: Image.Image, source: str) -> Pixels:
    values = np.asarray(image)
    if image.mode == "I" and (values.size == 0 or values.min() < 0 or values.max() > 65535):
        raise UnreadableFilmError(
            source,
            "its 32-bit or signed values have no defined black and white",
            "save it as 16-bit PNG or TIFF",
        )
    deep: NDArray[np.uint16] = values.astype(np.uint16, copy=False)  # also from big-endian
    tags = getattr(image, "tag_v2", {})
    if tags.get(_BITS_PER_SAMPLE) == (12,):
        deep = (deep << 4 | deep >> 8).astype(np.uint16)
    if tags.get(_PHOTOMETRIC) == 0:  # WhiteIsZero, which Pillow undoes for 8 bits only
        deep = np.uint16(65535) - deep
    return deep


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    layered = image.convert("RGBA")
    if layered.getchannel("A").getextrema() == (255, 255):
        return layered.convert("RGB")
    notes.append("transparent parts of the image were read as black")
    black = Image.new("RGBA", layered.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, layered).convert("RGB")


def coloured_share(image: Image.Image) -> float:
    """Share of pixels whose channels lie further apart than `COLOURED_CHROMA`.

    Coloured letters and arrows stay far below `COLOURED_SHARE`, chroma noise of JPEG and a weak tint of a
    scanner below `COLOURED_CHROMA`; photographs and colour overlays are above both.

    Args:
        image: mode RGB; larger ones are sampled on a grid.

    Returns:
        0 to 1.
    """
    size = (min(image.width, _COLOUR_SAMPLE), min(image.height, _COLOUR_SAMPLE))
    red, green, blue = image.resize(size, Image.Resampling.NEAREST).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    smallest = ImageChops.darker(ImageChops.darker(red, green), blue)
    counts = ImageChops.subtract(largest, smallest).histogram()
    return sum(counts[COLOURED_CHROMA + 1 :]) / sum(counts)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation. Source: EXIF 2.32, tag 274."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels.copy() if orientation in range(2, 9) else pixels
