"""Uploads that mean no good, drawn from a seed."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from api.films import dicom, png
from api.running import FORM, form
from image.made_dicom import LOSSLESS, LOSSY, dataset, dicom_bytes
from image.made_images import png as crafted_png
from image.test_fuzz import FILM, HEADER, IMAGES


@dataclass
class Hostile:
    """One request body.

    Attributes:
        kind: what is wrong with it.
        body: as sent.
        headers: of the request.
        may_score: damage may leave a film that can be read.
    """

    kind: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": FORM})
    may_score: bool = False


_OTHER_FORMATS = (
    b"",
    b"dear doctor",
    b"%PDF-1.7\n",
    b"PK\x03\x04" + bytes(90),
    b"\x1f\x8b" + bytes(90),
    b"GIF89a" + bytes(9),
    b"\x7fELF" + bytes(range(256)),
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
)
_NAMES = (
    "../../etc/passwd",
    "/etc/shadow",
    "C:\\Windows\\x.dcm",
    "\x00.png",
    "a" * 3000,
    "film.png\x00.exe",
    "%2e%2e%2f",
    "~root/x",
    "//host/share",
    "CON",
    "\udcff\udcfe",
)


def _upload(kind: str, film: bytes, name: str = "film.png", **options: bool) -> Hostile:
    return Hostile(kind, form(("film", name, film)), **options)


def _truncated(draw: random.Random) -> Hostile:
    film = draw.choice([*IMAGES, *_DICOMS])
    return _upload("truncated", film[: draw.randrange(len(film))], may_score=True)


def _fuzzed(draw: random.Random) -> Hostile:
    film = bytearray(draw.choice(_DICOMS))
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(film) if draw.random() < 0.3 else 900)
        if draw.random() < 0.7:
            film[at] = draw.randrange(256)
        else:
            film[at : at + draw.randrange(9)] = draw.randbytes(draw.randrange(9))
    return _upload("DICOM fuzz", bytes(film), "film.dcm", may_score=True)


def _renamed(draw: random.Random) -> Hostile:
    content = draw.choice([*_OTHER_FORMATS, draw.randbytes(300)])
    return _upload("renamed", content, draw.choice(["film.png", "film.dcm", "film.jpg", "film"]))


def _bomb(draw: random.Random) -> Hostile:
    side = draw.choice([12_000, 40_000, 2**31 - 1])
    bombs: list[Callable[[], bytes]] = [
        lambda: crafted_png(side, side, bytes(2_000_000)),
        lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 8, 0, 0, 0, 0, 0, 0),
        lambda: (
            struct.pack("<2sHIH", b"II", 42, 8, 2)
            + struct.pack("<HHIIHHII", 256, 4, 1, side, 257, 4, 1, side)
        ),
        lambda: dicom(1, Rows=min(side, 65_000), Columns=min(side, 65_000)),
        lambda: dicom(1, NumberOfFrames=str(2**31 - 1)),
        lambda: crafted_png(80, 80, bytes(81 * 80), extra=_text_bomb()),
    ]
    return _upload("bomb", draw.choice(bombs)())


def _text_bomb() -> bytes:
    data = b"Comment\0\0" + zlib.compress(bytes(30_000_000))
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


def _zip_bomb(draw: random.Random) -> Hostile:
    packed = zlib.compress(bytes(20_000_000))
    headers = {"content-type": FORM, "content-encoding": draw.choice(["gzip", "deflate", "br", "gzip, gzip"])}
    return Hostile("zip bomb", packed, headers)


def _path_name(draw: random.Random) -> Hostile:
    name = draw.choice(_NAMES)
    return _upload("path name", draw.choice([b"no film", b"", draw.randbytes(40)]), name)


def _huge_header(draw: random.Random) -> Hostile:
    junk = "x" * draw.choice([5_000, 60_000, 900_000])
    where = draw.randrange(3)
    if where == 0:
        head = f"Content-Disposition: form-data; name=film; filename={junk}"
    elif where == 1:
        head = f"X-{junk}: 1\r\nContent-Disposition: form-data; name=film"
    else:
        head = "\r\n".join(f"X-{index}: {index}" for index in range(len(junk) // 100))
    return Hostile("huge header", _BEGIN + head.encode() + b"\r\n\r\n" + b"no film" + _END)


def _broken_form(draw: random.Random) -> Hostile:
    whole = form(("film", "film.png", png(1)))
    kind = draw.randrange(8)
    if kind == 0:
        return Hostile("form cut short", whole[: draw.randrange(len(whole) - 4)])
    if kind == 1:
        return Hostile("other boundary", whole, {"content-type": "multipart/form-data; boundary=other"})
    if kind == 2:
        return Hostile("no boundary", whole, {"content-type": "multipart/form-data"})
    if kind == 3:
        return Hostile(
            "long boundary", whole, {"content-type": f"multipart/form-data; boundary={'b' * 9000}"}
        )
    if kind == 4:
        return Hostile(
            "no form", whole, {"content-type": draw.choice(["image/png", "text/html", "", "multipart/mixed"])}
        )
    if kind == 5:
        return Hostile("too many parts", form(*[("film", "film.png", b"x")] * draw.randint(2, 400)))
    if kind == 6:
        return Hostile("no name", _BEGIN + b"Content-Disposition: attachment\r\n\r\nx" + _END)
    return Hostile("noise", draw.randbytes(draw.randrange(3000)))


_BEGIN = form().removesuffix(b"--\r\n") + b"\r\n"
_END = b"\r\n" + form()
_DICOMS = [dicom_bytes(dataset(FILM, **HEADER), syntax) for syntax in LOSSLESS + LOSSY]
_KINDS = (_truncated, _fuzzed, _fuzzed, _renamed, _bomb, _zip_bomb, _path_name, _huge_header, _broken_form)


def hostile_uploads(seed: int, count: int) -> Iterator[Hostile]:
    """So many requests, every kind in turn."""
    draw = random.Random(seed)
    for index in range(count):
        yield _KINDS[index % len(_KINDS)](draw)
