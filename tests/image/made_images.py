"""Image files made on the spot."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A Pillow image as a file."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *, extra: bytes = b"", bits: int = 8, colour: int = 0) -> bytes:
    """A PNG whose header says anything, around `data` before compression."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(data))
        + png_chunk(b"IEND", b"")
    )


def tiff(pixels: NDArray[Any], *, order: str = "<", **tags: int) -> bytes:
    """An uncompressed grey TIFF; `tags` are "tN" = value, each added or replaced as one long."""
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries = {
        256: pixels.shape[1],
        257: pixels.shape[0],
        258: pixels.dtype.itemsize * 8,
        259: 1,
        262: 1,
        277: 1,
        278: pixels.shape[0],
        279: len(data),
        339: {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind],
    }
    entries |= {int(key[1:]): value for key, value in tags.items()}
    if 322 not in entries:
        entries[273] = 8 + 2 + 12 * (len(entries) + 1) + 4
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    for tag, value in sorted(entries.items()):
        kind, code = ("H2x", 3) if tag in (258, 259, 262, 277, 339) else ("I", 4)
        head += struct.pack(f"{order}HHI{kind}", tag, code, 1, value)
    return head + struct.pack(f"{order}I", 0) + data


def bits16(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """16-bit values whose low byte is not the high one's copy."""
    return (pixels.astype(np.uint16) << 8) + (
        np.arange(pixels.size, dtype=np.uint16).reshape(pixels.shape) & 255
    )
