"""A process of its own in which GDCM decodes one compressed frame.

GDCM calls std::terminate on some damaged frames, and its reference counting does so now and then on sound
ones, which would end the process that holds the other films. `decode_with_gdcm` starts this very file as a
script; as a script it imports nothing of the package, and reports damage that GDCM only complains about.
"""

import os
import subprocess
import sys

__all__ = ["GdcmError", "decode_with_gdcm"]

_TIMEOUT_SECONDS = 120
# What GDCM's JPEG library writes to the standard error stream and then decodes on, with grey for the rest.
_COMPLAINTS = (b"premature end", b"bad Huffman code", b"Corrupt JPEG data: found marker")


class GdcmError(RuntimeError):
    """GDCM could not decode a frame, or ended its process over it."""


def decode_with_gdcm(frame: bytes, shape: tuple[int, int], allocated: int, stored: int, syntax: str) -> bytes:
    """Decode one frame of one channel.

    Args:
        frame: the codestream.
        shape: (rows, columns).
        allocated: bits of a pixel that GDCM is told to allocate.
        stored: bits of a pixel that are used.
        syntax: Transfer Syntax UID.

    Returns:
        rows * columns bytes where `allocated` is 8, else twice as many, little endian.

    Raises:
        GdcmError: GDCM failed, complained of damage, took too long, or yielded another number of bytes.
    """
    arguments = [str(number) for number in (*shape, allocated, stored)]
    try:
        # -P keeps this folder, whose modules are not meant to be imported bare, out of the path.
        done = subprocess.run(
            [sys.executable, "-P", __file__, *arguments, syntax],
            input=frame,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise GdcmError(f"no result after {_TIMEOUT_SECONDS} s") from error
    expected = shape[0] * shape[1] * (1 if allocated == 8 else 2)
    if done.returncode != 0 or len(done.stdout) != expected:
        raise GdcmError(f"status {done.returncode}, {len(done.stdout)} of {expected} bytes")
    if any(complaint in done.stderr for complaint in _COMPLAINTS):
        raise GdcmError("damaged data")
    return done.stdout


def _main() -> None:
    import gdcm

    rows, columns, allocated, stored = (int(argument) for argument in sys.argv[1:5])
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(sys.stdin.buffer.read())
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
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(sys.argv[5])))
    image.SetPixelFormat(gdcm.PixelFormat(1, allocated, stored, stored - 1, 0))
    # GDCM hands its char* over as str.
    pixels = image.GetBuffer().encode("utf-8", "surrogateescape")
    sys.stdout.buffer.write(pixels)
    sys.stdout.buffer.flush()
    os._exit(0)  # not through GDCM's destructors


if __name__ == "__main__":
    _main()
