"""DICOM films made on the spot, in every transfer syntax that the installed libraries can write."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

UNCOMPRESSED = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
LOSSLESS = (
    *UNCOMPRESSED,
    uid.RLELossless,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
)
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless, uid.JPEG2000)


def dataset(pixels: NDArray[Any], **elements: Any) -> Dataset:
    """A frontal CR chest film with the given stored values, uncompressed little endian.

    Args:
        pixels: (H, W) uint8, uint16, int8 or int16 stored values.
        elements: DICOM elements by keyword, added or replaced; None removes one.
    """
    film = Dataset()
    film.SOPClassUID = uid.ComputedRadiographyImageStorage
    film.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    film.PatientName = "SECRET^PERSON"
    film.PatientBirthDate = "19700101"
    film.PatientID = "SECRET-ID"
    film.Modality = "CR"
    film.BodyPartExamined = "CHEST"
    film.ViewPosition = "PA"
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated = film.BitsStored = pixels.dtype.itemsize * 8
    film.HighBit = film.BitsStored - 1
    film.PixelRepresentation = int(pixels.dtype.kind == "i")
    if "BitsStored" in elements:
        film.HighBit = elements["BitsStored"] - 1
    for keyword, value in elements.items():
        if value is None:
            delattr(film, keyword)
        else:
            setattr(film, keyword, value)
    film.PixelData = _even(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
    film["PixelData"].VR = "OW" if film.BitsAllocated == 16 else "OB"
    return film


def dicom_bytes(
    film: Dataset, syntax: uid.UID = uid.ExplicitVRLittleEndian, *, preamble: bool = True, meta: bool = True
) -> bytes:
    """Encode a film made by `dataset` as a file.

    Args:
        film: uncompressed, changed in place.
        syntax: one of `LOSSLESS` or `LOSSY`.
        preamble: begin with 128 zero bytes and DICM.
        meta: begin with the file meta information.
    """
    film.file_meta = FileMetaDataset()
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.file_meta.TransferSyntaxUID = syntax
    if syntax == uid.ExplicitVRBigEndian:
        film.PixelData = _even(_pixels(film).byteswap().tobytes())
    elif syntax == uid.RLELossless:
        film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        film.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    elif syntax not in UNCOMPRESSED:
        film.PixelData = encapsulate([_even(compressed(_pixels(film), int(film.BitsStored), syntax))])
        film["PixelData"].VR = "OB"
        film["PixelData"].is_undefined_length = True
    file = BytesIO()
    implicit = syntax == uid.ImplicitVRLittleEndian
    little = syntax != uid.ExplicitVRBigEndian
    if not meta:
        del film.file_meta
    pydicom.dcmwrite(
        file, film, implicit_vr=implicit, little_endian=little, enforce_file_format=preamble and meta
    )
    return file.getvalue()


def _pixels(film: Dataset) -> NDArray[Any]:
    words = np.frombuffer(film.PixelData, np.uint8 if film.BitsAllocated == 8 else np.uint16)
    return words[: film.Rows * film.Columns].reshape(film.Rows, film.Columns)


def compressed(pixels: NDArray[Any], bits: int, syntax: uid.UID) -> bytes:
    """One compressed frame.

    Args:
        pixels: (H, W) uint8 or uint16 words below 2**bits.
        bits: Bits Stored.
        syntax: a compressed transfer syntax.
    """
    if syntax == uid.JPEGBaseline8Bit:
        file = BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=95)
        return file.getvalue()
    if syntax == uid.JPEG2000Lossless:
        return bytes(encode_array(pixels, bits_stored=bits, use_mct=False))
    if syntax == uid.JPEG2000:
        return bytes(encode_array(pixels, bits_stored=bits, use_mct=False, compression_ratios=[4]))
    return _gdcm_frame(pixels, bits, syntax)


def _gdcm_frame(pixels: NDArray[Any], bits: int, syntax: uid.UID) -> bytes:
    arguments = [str(number) for number in (*pixels.shape, pixels.dtype.itemsize, bits)]
    done = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).with_name("gdcm_encoder.py")), *arguments, str(syntax)],
        input=pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
        capture_output=True,
        check=True,
    )
    return done.stdout


def _even(data: bytes) -> bytes:
    return data + b"\x00" * (len(data) % 2)
