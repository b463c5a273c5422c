"""Which DICOM headers are taken for frontal chest radiographs."""

import pytest
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from generated import chest_like
from image.made_dicom import dataset, dicom_bytes
from pneumoscope.errors import FilmError, RejectedFilmError, UnreadableFilmError
from pneumoscope.image.decoding import DICOM_WARNING
from pneumoscope.image.read import read

FILM = chest_like(2, height=72, width=70)


def codes(meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "X-1", "SRT", meaning
    return Sequence([item])


REFUSED = [
    ({"Modality": "CT"}, "computed tomography"),
    ({"Modality": "MR"}, "magnetic resonance"),
    ({"Modality": "US"}, "ultrasound"),
    ({"Modality": "MG"}, "mammography"),
    ({"Modality": "ZZ"}, "not radiography"),
    ({"Modality": "CR", "SOPClassUID": uid.CTImageStorage}, "SOP class"),
    ({"Modality": "", "SOPClassUID": uid.SecondaryCaptureImageStorage}, "does not state"),
    ({"BodyPartExamined": "HAND"}, "body part says HAND"),
    ({"BodyPartExamined": "EXTREMITY"}, "EXTREMITY"),
    ({"BodyPartExamined": "TSPINE"}, "TSPINE"),
    ({"BodyPartExamined": "FEET"}, "FEET"),
    ({"BodyPartExamined": "", "SeriesDescription": "Left knee ap"}, "series description says KNEE"),
    ({"BodyPartExamined": None, "StudyDescription": "Fibroma of distal tibia"}, "TIBIA"),
    ({"BodyPartExamined": None, "StudyDescription": "Thoracic spine"}, "SPINE"),
    ({"BodyPartExamined": "", "AcquisitionDeviceProcessingDescription": "[LOWER LEG  ]"}, "LEG"),
    ({"BodyPartExamined": "", "AnatomicRegionSequence": codes("Hands")}, "anatomic region says HAND"),
    ({"ViewPosition": "LL"}, "lateral"),
    ({"ViewPosition": "RL"}, "lateral"),
    ({"ViewPosition": "LATERAL"}, "lateral"),
    ({"ViewPosition": "LLD"}, "lying"),
    ({"ViewPosition": "RAO"}, "oblique"),
    ({"ViewPosition": "", "ViewCodeSequence": codes("left lateral")}, "lateral"),
    ({"ViewPosition": "", "ViewCodeSequence": codes("antero-posterior left lateral decubitus")}, "lying"),
    ({"ViewPosition": None, "PatientOrientation": ["A", "F"]}, "lateral"),
    ({"ViewPosition": None, "PatientOrientation": ["P", "F"]}, "lateral"),
    ({"ViewPosition": None, "SeriesDescription": "W033 Chest Lat."}, "lateral"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
    ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "colour"),
    (
        {"SOPClassUID": uid.DigitalXRayImageStorageForProcessing, "PresentationIntentType": "FOR PROCESSING"},
        "raw",
    ),
]
ACCEPTED = [
    {"Modality": "DX", "SOPClassUID": uid.DigitalXRayImageStorageForPresentation},
    {"Modality": "RG", "SOPClassUID": uid.SecondaryCaptureImageStorage},
    {"Modality": None},
    {"BodyPartExamined": "THORAX"},
    {"BodyPartExamined": "CHEST_TO_ABDOMEN"},
    {"BodyPartExamined": "", "StudyDescription": "RX TÓRAX"},
    {"BodyPartExamined": "CHEST", "StudyDescription": "Shoulder and hand pain"},
    {"BodyPartExamined": "", "SeriesDescription": "CHEST", "StudyDescription": "Abdomen and chest"},
    {"ViewPosition": "AP"},
    {"ViewPosition": "PA", "SeriesDescription": "Chest lateral"},
    {"ViewPosition": None, "SeriesDescription": "Chest PA and lateral"},
    {"ViewPosition": None, "PatientOrientation": ["L", "F"]},
]


@pytest.mark.parametrize(("elements", "cause"), REFUSED, ids=str)
def test_refused(elements, cause):
    with pytest.raises(RejectedFilmError, match=cause) as caught:
        read(dicom_bytes(dataset(FILM, **elements)))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("elements", ACCEPTED, ids=str)
def test_accepted(elements):
    film = read(dicom_bytes(dataset(FILM, **elements)))
    assert film.warnings == ()
    assert "SECRET" not in repr(film)
    assert "1970" not in repr(film)


def test_an_unnamed_body_part_is_read_and_said_so():
    for value in ("", "QQ"):
        film = read(dicom_bytes(dataset(FILM, BodyPartExamined=value)))
        assert film.body_part == (value or None)
        assert film.warnings == ("the header does not say that the film shows the chest",)


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"ViewPosition": "AP SUPINE"}, "AP"),
        ({"ViewPosition": ""}, None),
        ({"ViewPosition": None, "ViewCodeSequence": codes("antero-posterior")}, "AP"),
        ({"ViewPosition": None, "ViewCodeSequence": codes("postero-anterior")}, "PA"),
    ],
    ids=str,
)
def test_view_position(elements, view):
    assert read(dicom_bytes(dataset(FILM, **elements))).view_position == view


@pytest.mark.parametrize(
    ("text", "years"),
    [("034Y", 34), ("34", 34), ("018M", 1.5), ("026W", 0.498), ("010D", 0.0274), ("", None), ("old", None)],
)
def test_age(text, years):
    film = dataset(FILM)
    data = dicom_bytes(film)
    assert read(data).age_years is None
    film = dataset(FILM)
    film.add_new(0x00101010, "SH", text)  # as files have it, valid or not
    age = read(dicom_bytes(film)).age_years
    assert age == (None if years is None else pytest.approx(years, rel=2e-3))


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("RG3_UNCR.dcm", "EXTREMITY"),
        ("RG3_J2KI.dcm", "EXTREMITY"),
        ("US1_UNCR.dcm", "ultrasound"),
        ("US1_J2KR.dcm", "ultrasound"),
        ("MR2_UNCR.dcm", "magnetic resonance"),
        ("CT_small.dcm", "computed tomography"),
        ("DICOMDIR", "DICOMDIR"),
        ("reportsi.dcm", "no image"),
        ("rtplan.dcm", "no image"),
        ("SC_rgb.dcm", "modality"),
        ("MR_truncated.dcm", "magnetic resonance"),
        ("image_dfl.dcm", "modality"),
    ],
)
def test_other_kinds_of_dicom_files(name, cause):
    path = get_testdata_file(name, download=False)
    assert path is not None, "the sample extra is not installed"
    with pytest.raises(RejectedFilmError, match=cause):
        read(path)


def test_every_sample_of_pydicom_is_a_film_or_an_error():
    from pydicom.data import get_testdata_files

    outcomes = []
    for path in get_testdata_files():
        try:
            outcomes.append(read(path))
        except FilmError as error:
            outcomes.append(error)
    films = [outcome for outcome in outcomes if not isinstance(outcome, FilmError)]
    assert len(outcomes) > 100
    assert {film.modality for film in films} <= {"CR", "DX", "RG"}


def test_header_and_codestream_must_agree():
    film = dataset(FILM)
    data = dicom_bytes(film, uid.JPEG2000Lossless)
    rows = data.index(b"\x28\x00\x10\x00US\x02\x00") + 8
    assert data[rows] == 72
    with pytest.raises(UnreadableFilmError, match="70 x 72 pixels, its header says 70 x 73"):
        read(data[:rows] + b"\x49" + data[rows + 1 :])


def test_a_header_that_breaks_the_standard_becomes_a_note():
    data = dicom_bytes(dataset(FILM, SpecificCharacterSet="ISO_IR 100", SeriesDescription="Brust"))
    film = read(data.replace(b"ISO_IR 100", b"ISO_IR 999"))
    assert film.warnings == (DICOM_WARNING,)
    assert "Brust" not in repr(film)
