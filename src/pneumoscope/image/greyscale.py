"""DICOM's grey-scale pipeline as one table: stored word in, grey out.

A film has millions of pixels and at most 65,536 different words, so modality LUT, VOI LUT or window,
inversion and padding are worked out once per word. Source: DICOM PS3.3, C.11.1, C.11.2, C.11.6; C.7.5.1.1.2
(padding); PS3.5, 8.1.1 (bits).
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_rescale, apply_windowing

from pneumoscope.image.decoding import StructureError
from pneumoscope.image.radiograph import Pixels

__all__ = ["grey_table", "stored_values"]

Values = NDArray[np.int64]
Shares = NDArray[np.float64]


def stored_values(words: Values, header: Dataset) -> Values:
    """Stored values of words of Bits Allocated bits: cut out by High Bit and Bits Stored, and signed.

    Args:
        words: any shape, int64, 0 to 2**BitsAllocated - 1.
        header: of the film.

    Returns:
        Same shape, int64.

    Raises:
        StructureError: impossible bit numbers.
    """
    allocated, stored = int(header.BitsAllocated), int(header.BitsStored)
    high_bit = int(header.get("HighBit", stored - 1))
    if not 1 <= stored <= high_bit + 1 <= allocated:
        raise StructureError(
            f"the DICOM header is contradictory: {stored} bits stored in {allocated}, high {high_bit}"
        )
    values = words >> (high_bit + 1 - stored) & (1 << stored) - 1
    if header.PixelRepresentation == 1:
        values = values - (values >> (stored - 1) << stored)
    return values


def grey_table(header: Dataset, notes: list[str]) -> Pixels:
    """Grey of every possible stored word.

    Args:
        header: of a MONOCHROME1 or MONOCHROME2 film.
        notes: sentences for the person who reads the result are appended.

    Returns:
        (2**BitsAllocated,) uint8 where Bits Stored is at most 8, else uint16; 0 is black, dense is bright.

    Raises:
        StructureError: impossible bit numbers.
    """
    bits = int(header.get("HighBit", int(header.BitsStored) - 1)) + 1
    # Bits above the highest one are not looked at: the table of the words without them is repeated.
    values = stored_values(np.arange(1 << min(bits, int(header.BitsAllocated)), dtype=np.int64), header)
    repeats = (1 << int(header.BitsAllocated)) // values.size
    low, high = int(values.min()), int(values.max())
    shares = _shares(np.arange(low, high + 1, dtype=np.int64), header, notes)
    # PS3.3 C.11.6.1.2: INVERSE goes with MONOCHROME1, it does not undo it.
    if header.PhotometricInterpretation == "MONOCHROME1" or header.get("PresentationLUTShape") == "INVERSE":
        shares = 1.0 - shares
    shares = np.clip(shares, 0.0, 1.0)
    greys: Pixels
    if int(header.BitsStored) <= 8:
        greys = np.rint(shares * 255.0).astype(np.uint8)
    else:
        greys = np.rint(shares * 65535.0).astype(np.uint16)
    table = cast(Pixels, np.tile(greys[values - low], repeats))
    if header.get("PixelPaddingValue") is not None:
        table[_is_padding(np.tile(values, repeats), header, notes)] = 0
    return table


def _shares(values: Values, header: Dataset, notes: list[str]) -> Shares:
    """Share of full brightness, before inversion, of consecutive stored values.

    The first of several VOI LUTs or windows is applied, as PS3.3 C.11.2.1.1 leaves the choice open. Without
    any, the whole range of possible values is shown.
    """
    low: float
    high: float
    if header.get("ModalityLUTSequence"):
        item = header.ModalityLUTSequence[0]
        modality: NDArray[np.float64] = _look_up(values, item).astype(np.float64)
        low, high = 0, _full_scale(item)
    else:
        modality = np.asarray(apply_rescale(values, header), dtype=np.float64)
        low, high = float(modality.min()), float(modality.max())
    if header.get("VOILUTSequence"):
        item = header.VOILUTSequence[0]
        return _look_up(np.rint(modality).astype(np.int64), item) / _full_scale(item)
    if high == low or not np.isfinite(modality).all():
        raise StructureError("the DICOM header maps all values to one or to none")
    if header.get("WindowCenter") is not None and header.get("WindowWidth") is not None:
        shares = _windowed(modality, values, header, high)
        if np.isfinite(shares).all():
            return shares
        notes.append("the window in the header is invalid; the whole range of values is shown")
    return (modality - low) / (high - low)


def _windowed(modality: Shares, values: Values, header: Dataset, full_scale: float) -> Shares:
    """Share of full brightness by the first window; not finite where the window is invalid."""
    ends = np.array([0.0, full_scale]) if header.get("ModalityLUTSequence") else values[[0, -1]].astype(float)
    try:
        with np.errstate(all="ignore"):  # a steep sigmoid overflows towards its proper end
            shown = apply_windowing(modality, header)
            # What pydicom yields below and above the window; a negative slope swaps them.
            if header.get("RescaleSlope") is not None and header.get("RescaleIntercept") is not None:
                ends = ends * float(header.RescaleSlope) + float(header.RescaleIntercept)
            return np.asarray((shown - ends[0]) / (ends[1] - ends[0]), dtype=np.float64)
    except (ValueError, TypeError, IndexError):
        return np.full(values.shape, np.nan)


def _look_up(values: Values, item: Dataset) -> NDArray[np.int64]:
    """Apply a Modality or VOI LUT; values outside take its first or last entry (PS3.3 C.11.1.1.1).

    pydicom's `apply_voi` computes the index in the table's own type, which wraps 8-bit tables.
    """
    entries = _entries(item)
    index = np.clip(values - int(item.LUTDescriptor[1]), 0, entries.size - 1)
    looked_up: NDArray[np.int64] = entries[index]
    return looked_up


def _entries(item: Dataset) -> NDArray[np.int64]:
    count = int(item.LUTDescriptor[0]) or 65536
    data = item.LUTData
    if isinstance(data, bytes):
        dtype = "u1" if len(data) in (count, count + count % 2) and item.LUTDescriptor[2] == 8 else "<u2"
        data = np.frombuffer(data, dtype)
    entries = np.atleast_1d(np.asarray(data, dtype=np.int64))[:count]
    if entries.size < count or entries.min() < 0:
        raise StructureError("the DICOM file's lookup table is shorter than it declares")
    return entries


def _full_scale(item: Dataset) -> float:
    """Largest value that the table's bits allow, or the largest entry where the bits are understated."""
    return float(max((1 << int(item.LUTDescriptor[2])) - 1, int(_entries(item).max()), 1))


def _is_padding(values: Values, header: Dataset, notes: list[str]) -> NDArray[np.bool_]:
    """Which words, by their stored values, mean "no film here".

    Those from Pixel Padding Value, which the header has, to Pixel Padding Range Limit, both included.
    """
    padding, limit = header.PixelPaddingValue, header.get("PixelPaddingRangeLimit")
    try:
        ends = [int(padding), int(padding if limit is None else limit)]
    except (TypeError, ValueError):
        notes.append("the padding value in the header is invalid; padding is shown as it is stored")
        return np.zeros(values.shape, dtype=np.bool_)
    if header.PixelRepresentation == 1:  # often written as unsigned
        half = 1 << (int(header.BitsAllocated) - 1)
        ends = [end - 2 * half if end >= half else end for end in ends]
    if min(ends) < values.min() or max(ends) > values.max():
        # It lies in bits that no pixel uses: compare whole words.
        words = np.arange(values.size)
        ends = [end & values.size - 1 for end in ends]
        return np.asarray((words >= min(ends)) & (words <= max(ends)))
    return np.asarray((values >= min(ends)) & (values <= max(ends)))
