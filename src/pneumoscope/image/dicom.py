"""A DICOM film to a `Radiograph`."""

import zlib
from io import BytesIO

import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import data_element_generator

from pneumoscope.errors import RejectedFilmError, UnreadableFilmError
from pneumoscope.image.acceptance import film_facts
from pneumoscope.image.codecs import stored_words
from pneumoscope.image.decoding import DICOM_WARNING, StructureError, decoding, noted_warnings
from pneumoscope.image.greyscale import grey_table
from pneumoscope.image.limits import MAX_FILE_BYTES, check_declared_size, check_sides
from pneumoscope.image.lookup import look_up
from pneumoscope.image.radiograph import Radiograph

__all__ = ["read_dicom"]

_EXPORT = "export the film again from the archive"
# Type 1 elements of the Image Pixel module (PS3.3, C.7.6.3) without which the pixels mean nothing.
_REQUIRED = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
)


def read_dicom(data: bytes, source: str) -> Radiograph:
    """Read a DICOM file: CR or DX, chest, frontal.

    Args:
        data: the whole file, with or without preamble and file meta information.
        source: how the caller named the film.

    Returns:
        The film after modality LUT, VOI LUT or window and inversion, dense is bright: uint8 where Bits
        Stored is at most 8, else uint16 over its full range. Padding is black.

    Raises:
        UnreadableFilmError: damaged, cut short, too large, or of an unsupported transfer syntax.
        RejectedFilmError: another modality, body part or view, colour, several frames, or no image.
    """
    notes: list[str] = []
    with decoding(source, "DICOM", (BytesLengthException, InvalidDicomError)):
        with noted_warnings(notes, DICOM_WARNING):
            film = _parse(data)
            syntax = _transfer_syntax(film)
            _check_image(film, source)
            facts = film_facts(film, source, notes)
            _check_pixel_format(film, source)
            table = grey_table(film, notes)
        pixels = look_up(table, stored_words(film, syntax, notes))
    return Radiograph(
        pixels=pixels,
        source=source,
        format="DICOM",
        view_position=facts.view_position,
        modality=facts.modality,
        body_part=facts.body_part,
        age_years=facts.age_years,
        warnings=tuple(notes),
    )


def _parse(data: bytes) -> FileDataset:
    """Read all elements; `force` lets files without preamble pass, which the caller has recognised."""
    _check_deflated_size(data)
    return pydicom.dcmread(BytesIO(data), force=True)


def _check_deflated_size(data: bytes) -> None:
    """Inflate a deflated file piece by piece, to see that it fits: pydicom would inflate it at one go.

    Raises:
        StructureError: it inflates to more than `MAX_FILE_BYTES`.
    """
    file = BytesIO(data)
    file.seek(132 if data[128:132] == b"DICM" else 0)
    meta = list(data_element_generator(file, False, True, lambda tag, _vr, _length: tag.group != 2))
    if not any(uid.DeflatedExplicitVRLittleEndian.encode() in (element.value or b"") for element in meta):
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size, piece = 0, file.read()
    while piece and not inflater.eof:
        size += len(inflater.decompress(piece, 1 << 20))
        piece = inflater.unconsumed_tail
        if size > MAX_FILE_BYTES:
            raise StructureError(f"it inflates to more than {MAX_FILE_BYTES // 2**20} MB (a bomb?)")


def _transfer_syntax(film: FileDataset) -> uid.UID:
    """Transfer Syntax UID; files without file meta information are uncompressed as they were parsed."""
    syntax = film.file_meta.get("TransferSyntaxUID")
    if syntax:
        return uid.UID(syntax)
    implicit, little = film.original_encoding
    if not little:
        return uid.ExplicitVRBigEndian
    return uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian


def _check_image(film: FileDataset, source: str) -> None:
    """Refuse DICOM objects that hold no image."""
    sop_class = uid.UID(str(film.get("SOPClassUID") or film.file_meta.get("MediaStorageSOPClassUID") or ""))
    if "DirectoryRecordSequence" in film or sop_class == uid.MediaStorageDirectoryStorage:
        raise RejectedFilmError(
            source, "it is a DICOMDIR, an index of other files", "name the films themselves"
        )
    if "PixelData" in film:
        return
    if not sop_class or sop_class.name == sop_class or "Image Storage" in sop_class.name:
        raise UnreadableFilmError(source, "the DICOM file is cut short: it has no pixel data", _EXPORT)
    raise RejectedFilmError(
        source, f"the DICOM object holds no image ({sop_class.name})", "send a chest radiograph"
    )


def _check_pixel_format(film: Dataset, source: str) -> None:
    for keyword in _REQUIRED:
        if film.get(keyword) is None:
            raise UnreadableFilmError(source, f"its DICOM header lacks {keyword}", _EXPORT)
    frames = int(film.get("NumberOfFrames") or 1)
    check_declared_size(source, int(film.Rows), int(film.Columns), frames)
    if frames > 1:
        raise RejectedFilmError(source, f"the file holds {frames:,} images", "send one film per file")
    check_sides(source, int(film.Rows), int(film.Columns))
    if film.SamplesPerPixel != 1 or film.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise RejectedFilmError(
            source, "it is a colour image, not a radiograph", "send a film of MONOCHROME1 or MONOCHROME2"
        )
    if film.BitsAllocated not in (8, 16):
        raise UnreadableFilmError(
            source, f"it allocates {film.BitsAllocated} bits per pixel, which is not supported", _EXPORT
        )
