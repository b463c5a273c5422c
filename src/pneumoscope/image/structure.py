"""Size and soundness of PNG, JPEG, JPEG 2000 and WebP, read from their structure without decoding a pixel.

Pillow decides about truncation by a switch that any other package may flip for the whole process, skips
the checksums of PNG image data, and allocates from WebP headers on opening. These walkers do not.
"""

import struct
import zlib
from dataclasses import dataclass

from pneumoscope.image.decoding import StructureError

__all__ = ["Outline", "jpeg2000_outline", "jpeg_outline", "png_outline", "webp_outline"]

_JPEG_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}) | {0xF7}
_END_OF_IMAGE = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file declares about itself.

    Attributes:
        height: rows.
        width: columns.
        frames: images; 1 unless the file is an animation.
        bits: per channel.
        channels: samples per pixel, 0 where the container does not say.
    """

    height: int
    width: int
    frames: int = 1
    bits: int = 8
    channels: int = 0


def png_outline(data: bytes) -> Outline:
    """Walk all chunks of a PNG, checking lengths and checksums.

    Source: PNG specification, third edition, sections 5.3 and 11.2.1.

    Raises:
        StructureError: cut short, or a checksum is wrong.
    """
    view = memoryview(data)
    outline = Outline(0, 0)
    frames = 1
    position = 8
    while True:
        if position + 12 > len(data):
            raise StructureError("the PNG file is cut short: its last chunk is missing")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise StructureError(f"the PNG file is cut short: {end - len(data):,} bytes or more are missing")
        if zlib.crc32(view[position + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise StructureError("the PNG file is damaged: a checksum is wrong")
        if position == 8:
            if kind != b"IHDR" or length != 13:
                raise StructureError("the PNG file is damaged: it does not begin with its header")
            width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
            channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
            outline = Outline(height, width, bits=bits, channels=channels)
        elif kind == b"acTL" and length == 8:
            frames = max(1, struct.unpack_from(">I", data, position + 8)[0])
        elif kind == b"IEND":
            return Outline(outline.height, outline.width, frames, outline.bits, outline.channels)
        position = end


def jpeg_outline(data: bytes) -> Outline:
    """Walk the markers of a JPEG, JPEG lossless or JPEG-LS stream up to its frame header.

    Source: ITU-T T.81, annex B; ITU-T T.87, annex C.

    Raises:
        StructureError: no frame header, or no end-of-image marker behind it.
    """
    position = 2
    while position + 10 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker in _JPEG_STANDALONE:
            position += 2
        elif marker in _JPEG_FRAME_HEADERS:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, position + 4)
            # Stuffing keeps FF D9 out of coded data, and thumbnails lie before the frame header.
            if data.rfind(_END_OF_IMAGE) < position:
                raise StructureError("the JPEG data are cut short: their end is missing")
            return Outline(height, width, bits=bits, channels=channels)
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    raise StructureError("the JPEG data are damaged or cut short: they declare no image")


def jpeg2000_outline(data: bytes) -> Outline:
    """Read the SIZ segment of a JPEG 2000 codestream, alone or inside JP2 boxes.

    Source: ITU-T T.800, A.5.1.

    Raises:
        StructureError: no SIZ segment, or no end-of-codestream marker.
    """
    start = 0 if data.startswith(b"\xff\x4f") else data.find(b"\xff\x4f\xff\x51")
    if start < 0 or data[start + 2 : start + 4] != b"\xff\x51" or len(data) < start + 43:
        raise StructureError("the JPEG 2000 data are damaged or cut short: they declare no image")
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    (channels,) = struct.unpack_from(">H", data, start + 40)
    bits = (data[start + 42] & 0x7F) + 1
    if _END_OF_IMAGE not in data[-16:]:  # DICOM pads to even length; some encoders pad further
        raise StructureError("the JPEG 2000 data are cut short: their end is missing")
    return Outline(max(0, bottom - top), max(0, right - left), bits=bits, channels=channels)


def webp_outline(data: bytes) -> Outline:
    """Read the canvas size of a WebP file.

    Source: RFC 9649, sections 2.3-2.7 and 3.4; RFC 6386, section 9.1.

    Raises:
        StructureError: cut short, or no known first chunk.
    """
    if len(data) < 30 or struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        raise StructureError("the WebP file is cut short")
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L":
        packed = int.from_bytes(data[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width = int.from_bytes(data[26:28], "little") & 0x3FFF
        height = int.from_bytes(data[28:30], "little") & 0x3FFF
    else:
        raise StructureError("the WebP file is damaged: its first chunk is unknown")
    return Outline(height, width)
