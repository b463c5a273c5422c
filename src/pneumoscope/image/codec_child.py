"""The process in which `pneumoscope.image.codec_process` has frames decoded; run as a script, by its path.

It imports nothing of the package. From standard input it takes a line of JSON and a frame, again and again;
to standard output it answers each with a line of JSON and the pixels. Whatever goes wrong ends it, and so
does the end of its input.
"""

import json
import os
import signal
import sys
import tempfile
from typing import IO, Any

__all__: list[str] = []

# What GDCM's JPEG library writes to the standard error stream and then decodes on, with grey for the rest.
_COMPLAINTS = (b"premature end", b"bad Huffman code", b"Corrupt JPEG data: found marker")


def _gdcm(frame: bytes, rows: int, columns: int, allocated: int, stored: int, syntax: str) -> bytes:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    image.SetPixelFormat(gdcm.PixelFormat(1, allocated, stored, stored - 1, 0))
    # GDCM hands its char* over as str.
    pixels: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")
    return pixels


def _openjpeg(frame: bytes) -> tuple[str, bytes]:
    from openjpeg.utils import decode

    pixels = decode(frame)
    return pixels.dtype.str, pixels.tobytes()


def _answer(request: dict[str, Any], frame: bytes, answers: IO[bytes], complaints: int) -> None:
    if request["codec"] == "gdcm":
        dtype = "|u1" if request["allocated"] == 8 else "<u2"
        names = ("rows", "columns", "allocated", "stored", "syntax")
        pixels = _gdcm(frame, **{name: request[name] for name in names})
    else:
        dtype, pixels = _openjpeg(frame)
    length = os.lseek(complaints, 0, os.SEEK_END)
    os.lseek(complaints, 0, os.SEEK_SET)
    said = os.read(complaints, length)
    os.ftruncate(complaints, 0)
    os.lseek(complaints, 0, os.SEEK_SET)
    damaged = any(complaint in said for complaint in _COMPLAINTS)
    about = {"dtype": dtype, "bytes": len(pixels), "damaged": damaged}
    answers.write(json.dumps(about).encode() + b"\n")
    answers.write(pixels)
    answers.flush()


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells all processes; the parent answers
    with tempfile.TemporaryFile() as file, os.fdopen(os.dup(1), "wb") as answers:
        complaints = file.fileno()
        for stream in (1, 2):
            os.dup2(complaints, stream)
        for line in sys.stdin.buffer:
            request = json.loads(line)
            _answer(request, sys.stdin.buffer.read(request["bytes"]), answers, complaints)
        os._exit(0)  # not through GDCM's destructors


if __name__ == "__main__":
    _main()
