"""A script that compresses one frame with GDCM: rows columns itemsize bits syntax, pixels on standard input.

In a process of its own, because GDCM's destructors may end it.
"""

import os
import sys

import gdcm


def main() -> None:
    rows, columns, itemsize, bits = (int(argument) for argument in sys.argv[1:5])
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(sys.stdin.buffer.read())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    image.SetPixelFormat(gdcm.PixelFormat(1, itemsize * 8, bits, bits - 1, 0))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetInput(image)
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(sys.argv[5])))
    if not change.Change():
        os._exit(1)
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    frame = fragments.GetFragment(0).GetByteValue().GetBuffer()
    sys.stdout.buffer.write(frame.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
