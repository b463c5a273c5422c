"""The grey scale of DICOM films, against pydicom's own functions on the whole array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from generated import chest_like
from image.made_dicom import LOSSLESS, LOSSY, UNCOMPRESSED, dataset, dicom_bytes
from image.made_images import bits16
from pneumoscope.errors import UnreadableFilmError
from pneumoscope.image.decoding import DICOM_WARNING
from pneumoscope.image.read import read

FILM = chest_like(5, height=70, width=67)
ramp = np.arange(70 * 67).reshape(70, 67)


def every_value(bits: int, signed: bool) -> np.ndarray:
    """A (256, 256) film that holds every stored value of so many bits."""
    values = np.arange(65536) % (1 << bits) - (1 << bits - 1 if signed else 0)
    kind = ("int" if signed else "uint") + ("8" if bits <= 8 else "16")
    return values.astype(kind).reshape(256, 256)


def full_scale(bits: int) -> int:
    return 255 if bits <= 8 else 65535


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_lossless_syntaxes_give_the_stored_values(bits, syntax):
    stored = (FILM.astype(np.uint16) << bits - 8) + (ramp % (1 << bits - 8)).astype(np.uint16)
    stored = stored.astype(np.uint8) if bits == 8 else stored
    film = read(dicom_bytes(dataset(stored, BitsStored=bits), syntax))
    scale = full_scale(bits) / ((1 << bits) - 1)
    assert film.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.array_equal(film.pixels, np.rint(stored * scale))
    assert film.warnings == ()


@pytest.mark.parametrize("syntax", [s for s in LOSSLESS if s != uid.JPEGLSLossless], ids=lambda s: s.keyword)
def test_signed_values_survive_their_encoding(syntax):
    stored = ((FILM.astype(np.int16) << 4) - 2048).astype(np.int16)
    film = read(dicom_bytes(dataset(stored, BitsStored=16), syntax))
    assert np.array_equal(film.pixels, stored.astype(np.int32) + 32768)


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda syntax: syntax.keyword)
def test_lossy_syntaxes_come_close(syntax):
    film = read(dicom_bytes(dataset(FILM), syntax))
    assert np.abs(film.pixels.astype(int) - FILM).mean() < 3


def test_12_bit_extended_jpeg_comes_close():
    stored = FILM.astype(np.uint16) << 4
    film = read(dicom_bytes(dataset(stored, BitsStored=12), uid.JPEGExtended12Bit))
    assert np.abs(film.pixels / 65535 - stored / 4095).mean() < 0.01


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda syntax: syntax.keyword)
def test_files_without_preamble_or_meta_information(syntax):
    assert np.array_equal(read(dicom_bytes(dataset(FILM), syntax, preamble=False)).pixels, FILM)
    if syntax != uid.DeflatedExplicitVRLittleEndian:
        assert np.array_equal(read(dicom_bytes(dataset(FILM), syntax, meta=False)).pixels, FILM)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(6, 16),
    signed=st.booleans(),
    inverted=st.booleans(),
    rescale=st.none() | st.tuples(st.sampled_from([0.5, 1, 2.25, -1, -0.1]), st.integers(-2000, 2000)),
    window=st.none()
    | st.tuples(
        st.floats(-3000, 70000),
        st.floats(1.5, 80000),
        st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", None]),
    ),
)
def test_rescale_and_window_agree_with_pydicom(bits, signed, inverted, rescale, window):
    stored = every_value(bits, signed)
    elements = {"BitsStored": bits, "PhotometricInterpretation": f"MONOCHROME{1 if inverted else 2}"}
    if rescale is not None:
        elements |= {"RescaleSlope": str(rescale[0]), "RescaleIntercept": str(rescale[1])}
    if window is not None:
        elements |= {"WindowCenter": f"{window[0]:.4f}", "WindowWidth": f"{window[1]:.4f}"}
        if window[2]:
            elements["VOILUTFunction"] = window[2]
    film = dataset(stored, **elements)
    with np.errstate(over="ignore"):
        shown = apply_voi_lut(apply_modality_lut(stored.astype(np.int64), film), film).astype(np.float64)
    ends = np.array([stored.min(), stored.max()]) if signed else np.array([0, (1 << bits) - 1])
    low, high = ends if rescale is None else ends * rescale[0] + rescale[1]
    # Without a window a negative slope makes large stored values dark; with one, pydicom's output for it
    # is upside down.
    if window is None:
        low, high = min(low, high), max(low, high)
    share = (shown - low) / (high - low)
    expected = np.rint((1 - share if inverted else share) * full_scale(bits))
    result = read(dicom_bytes(film))
    assert result.pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert np.abs(result.pixels.astype(np.int64) - expected).max() <= 1


def lookup_table(first: int, bits: int, entries: np.ndarray) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [entries.size % 65536, first, bits]
    item.LUTData = entries.astype("<u2").tobytes()
    item["LUTDescriptor"].VR = "US"
    item["LUTData"].VR = "OW"
    return item


# pydicom takes modality tables of 8 and 16 bits only.
TABLES = [("ModalityLUTSequence", 16), *(("VOILUTSequence", bits) for bits in range(10, 17))]


@settings(max_examples=40, deadline=None)
@given(
    table=st.sampled_from(
        [("ModalityLUTSequence", 16), *(("VOILUTSequence", bits) for bits in range(10, 17))]
    ),
    first=st.integers(0, 300),
    entries=st.lists(st.integers(0, 1023), min_size=2, max_size=400),
    inverted=st.booleans(),
)
def test_lookup_tables_agree_with_pydicom(table, first, entries, inverted):
    kind, bits = table
    stored = every_value(12, signed=False)
    film = dataset(stored, BitsStored=12, PhotometricInterpretation=f"MONOCHROME{1 if inverted else 2}")
    setattr(film, kind, Sequence([lookup_table(first, bits, np.array(entries))]))
    data = dicom_bytes(film)
    apply = apply_modality_lut if kind == "ModalityLUTSequence" else apply_voi_lut
    share = apply(stored.astype(np.int64), film) / ((1 << bits) - 1)
    expected = np.rint((1 - share if inverted else share) * 65535)
    assert np.array_equal(read(data).pixels, expected)


def test_modality_table_then_window():
    stored = every_value(10, signed=False)
    film = dataset(stored, BitsStored=10, WindowCenter="32000", WindowWidth="24000")
    film.ModalityLUTSequence = Sequence([lookup_table(0, 16, np.arange(1024) * 64)])
    data = dicom_bytes(film)
    shown = apply_voi_lut(apply_modality_lut(stored.astype(np.int64), film), film)
    assert np.array_equal(read(data).pixels, np.rint(shown))


def test_a_table_of_8_bits_does_not_wrap():
    film = dataset(every_value(12, signed=False), BitsStored=12)
    film.VOILUTSequence = Sequence([lookup_table(1000, 8, np.arange(256))])
    shown = np.clip(every_value(12, signed=False).astype(int) - 1000, 0, 255)
    assert np.array_equal(read(dicom_bytes(film)).pixels, shown * 257)


def test_the_first_of_several_windows_is_shown():
    stored = every_value(12, signed=False)
    both = read(dicom_bytes(dataset(stored, BitsStored=12, WindowCenter=[900, 50], WindowWidth=[700, 20])))
    first = read(dicom_bytes(dataset(stored, BitsStored=12, WindowCenter=900, WindowWidth=700)))
    assert np.array_equal(both.pixels, first.pixels)
    assert not np.array_equal(both.pixels, read(dicom_bytes(dataset(stored, BitsStored=12))).pixels)


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": "100", "WindowWidth": "0"},
        {"WindowCenter": "100", "WindowWidth": "-5", "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": "100", "WindowWidth": "50", "VOILUTFunction": "CURVED"},
    ],
)
def test_an_invalid_window_is_left_out_and_said_so(elements):
    film = read(dicom_bytes(dataset(FILM, **elements)))
    assert np.array_equal(film.pixels, FILM)
    assert "window" in film.warnings[0]


def test_presentation_inverse_inverts_once():
    inverse = {"PresentationLUTShape": "INVERSE"}
    for elements in (inverse, {"PhotometricInterpretation": "MONOCHROME1"}):
        assert np.array_equal(read(dicom_bytes(dataset(FILM, **elements))).pixels, 255 - FILM)
    both = dataset(FILM, PhotometricInterpretation="MONOCHROME1", **inverse)
    assert np.array_equal(read(dicom_bytes(both)).pixels, 255 - FILM)
    identity = dataset(FILM, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="IDENTITY")
    assert np.array_equal(read(dicom_bytes(identity)).pixels, 255 - FILM)


def test_high_bit_and_unused_bits():
    stored = (FILM.astype(np.uint16) << 2) + 1
    expected = np.rint(stored / 1023 * 65535)
    shifted = dataset(((stored << 6) | 0b101010).astype(np.uint16), BitsStored=10, HighBit=15)
    assert np.array_equal(read(dicom_bytes(shifted)).pixels, expected)
    overlaid = dataset((stored | 0b110000_0000000000).astype(np.uint16), BitsStored=10)
    assert np.array_equal(read(dicom_bytes(overlaid)).pixels, expected)


@settings(max_examples=40, deadline=None)
@given(
    inverted=st.booleans(),
    signed=st.booleans(),
    start=st.integers(0, 3000),
    length=st.integers(0, 900),
    reverse=st.booleans(),
)
def test_padding_is_black_and_the_rest_unchanged(inverted, signed, start, length, reverse):
    stored = every_value(12, signed)
    first = start - 2048 if signed else start
    last = first + length
    photometric = {"PhotometricInterpretation": f"MONOCHROME{1 if inverted else 2}", "BitsStored": 12}
    ends = (last, first) if reverse else (first, last)
    film = dataset(stored, **photometric)
    for keyword, value in zip(("PixelPaddingValue", "PixelPaddingRangeLimit"), ends, strict=True):
        film.add_new(keyword_tag(keyword), "SS" if signed else "US", value)
    padding = (stored >= first) & (stored <= last)
    expected = np.where(padding, 0, read(dicom_bytes(dataset(stored, **photometric))).pixels)
    assert np.array_equal(read(dicom_bytes(film)).pixels, expected)


def keyword_tag(keyword: str) -> int:
    return {"PixelPaddingValue": 0x00280120, "PixelPaddingRangeLimit": 0x00280121}[keyword]


def test_padding_outside_the_stored_bits():
    words = FILM.astype(np.uint16) << 4
    padded = words.copy()
    padded[:10] = 0xF830
    film = dataset(padded, BitsStored=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0xF830)
    plain = dataset(words, BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    result, expected = read(dicom_bytes(film)).pixels, read(dicom_bytes(plain)).pixels
    assert not result[:10].any()
    assert np.array_equal(result[10:], expected[10:])


def sample(name: str) -> np.ndarray:
    path = get_testdata_file(name, download=False)
    assert path is not None, "the sample extra is not installed"
    film = read(path)
    assert (film.format, film.modality, film.view_position, film.body_part) == ("DICOM", "CR", "PA", "CHEST")
    assert film.warnings == ()
    return film.pixels


def test_the_sample_in_four_encodings():
    lossless, compressed = sample("RG1_UNCR.dcm"), sample("RG1_J2KR.dcm")
    assert lossless.shape == (1955, 1841)
    assert lossless.dtype == np.uint16
    assert np.array_equal(lossless, compressed)
    lossy, lossy_compressed = sample("RG1_UNCI.dcm"), sample("RG1_J2KI.dcm")
    assert np.array_equal(lossy, lossy_compressed)
    difference = np.abs(lossless.astype(int) - lossy)
    assert 0 < difference.mean() < 0.005 * 65535
    assert difference.max() < 0.02 * 65535


def test_the_sample_has_dark_lungs_and_a_bright_spine():
    film = sample("RG1_UNCR.dcm") / 65535
    left_apex, right_apex = film[450:650, 450:600].mean(), film[450:650, 1200:1350].mean()
    spine, abdomen = film[450:1600, 880:940].mean(), film[1600:1800, 300:600].mean()
    assert max(left_apex, right_apex) + 0.2 < min(spine, abdomen)


@pytest.mark.parametrize(("more", "told"), [(0, None), (500, "note"), (1.0, "refused"), (2.5, "refused")])
@pytest.mark.parametrize("pixels", [FILM, bits16(FILM)], ids=["8 bits", "16 bits"])
def test_more_pixel_data_than_the_header_declares_are_not_passed_over(pixels, more, told):
    film = dataset(pixels)
    extra = more if isinstance(more, int) else int(more * pixels.nbytes)
    film.PixelData += b"\x07" * (extra + extra % 2)
    data = dicom_bytes(film)
    if told == "refused":
        with pytest.raises(UnreadableFilmError, match="of another type, or of several images"):
            read(data)
    else:
        film = read(data)
        assert (DICOM_WARNING in film.warnings) == (told == "note")
        assert np.array_equal(film.pixels, pixels)
