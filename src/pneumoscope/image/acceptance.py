"""Is this DICOM object a frontal chest radiograph? What its header says about it.

Only the header is judged here, and only where it speaks; what the pixels show is another question. Free
text of the header is matched against word lists and never quoted: it may name the patient.
"""

import re
import unicodedata
from dataclasses import dataclass

from pydicom.dataset import Dataset

from pneumoscope.errors import RejectedFilmError

__all__ = ["FilmFacts", "film_facts"]

_RADIOGRAPHY = frozenset({"CR", "DX", "RG"})  # RG: a digitised film
_MODALITY_NAMES = {
    "BMD": "bone densitometry",
    "CT": "computed tomography",
    "DOC": "a document",
    "ES": "endoscopy",
    "IO": "an intra-oral radiograph",
    "MG": "mammography",
    "MR": "magnetic resonance",
    "NM": "nuclear medicine",
    "OT": "of no stated kind",
    "PT": "positron emission tomography",
    "PX": "a panoramic dental radiograph",
    "RF": "fluoroscopy",
    "RTIMAGE": "a radiotherapy image",
    "SEG": "a segmentation",
    "SM": "microscopy",
    "SR": "a report",
    "US": "ultrasound",
    "XA": "angiography",
    "XC": "a photograph",
}
# SOP classes of radiographs, and the modality they imply where the header leaves it out.
_SOP_CLASS_MODALITY = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",
}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # and its multi-frame kinds

_CHEST = frozenset({"CHEST", "THORAX", "TORAX", "TORACE", "THORAKS", "LUNG", "CXR"})
# fmt: off
_ELSEWHERE = frozenset({
    "HEAD", "SKULL", "CRANIUM", "FACE", "FACIAL", "JAW", "MANDIBLE", "MAXILLA", "SINUS", "ORBIT", "NASAL",
    "DENTAL", "TOOTH", "TEETH", "NECK",
    "SPINE", "CSPINE", "TSPINE", "LSPINE", "SSPINE", "TLSPINE", "CERVICAL", "LUMBAR", "SACRUM", "COCCYX",
    "RIB", "STERNUM", "BREAST",
    "SHOULDER", "SCAPULA", "CLAVICLE", "EXTREMITY", "LIMB", "ARM", "UPPERARM", "HUMERUS", "ELBOW", "FOREARM",
    "RADIUS", "ULNA", "WRIST", "HAND", "FINGER", "THUMB",
    "ABDOMEN", "ABDOMINAL", "ABD", "KUB", "STOMACH", "BOWEL", "COLON", "KIDNEY", "BLADDER", "PROSTATE",
    "UTERUS", "PELVIS", "PELVIC",
    "HIP", "LEG", "UPPERLEG", "FEMUR", "THIGH", "KNEE", "PATELLA", "LOWERLEG", "TIBIA", "TIBIAL", "FIBULA",
    "ANKLE", "FOOT", "FEET", "CALCANEUS", "HEEL", "TOE",
})
# fmt: on
_FRONTAL = frozenset({"AP", "PA", "FRONTAL"})
_SIDEWAYS = frozenset({"LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT"})
_SLANTED = frozenset({"RLO", "LLO", "RAO", "LAO", "RPO", "LPO", "OBLIQUE", "RLD", "LLD", "DECUBITUS"})
_AGE = re.compile(r"(\d{1,3})([DWMY]?)")
_UNITS_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0, "": 1.0}  # RSNA writes bare years


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """What later steps need of a header; the fields of `Radiograph` of the same names."""

    modality: str
    view_position: str | None
    body_part: str | None
    age_years: float | None


def film_facts(header: Dataset, source: str, notes: list[str]) -> FilmFacts:
    """Judge a header and keep the few facts that later steps need.

    Source: DICOM PS3.3, C.7.3.1.1.1 (Modality), C.8.7.1 (CR Series), C.8.11.5 (DX Positioning),
    C.8.11.1 (Presentation Intent Type).

    Args:
        header: all elements in front of the pixels.
        source: how the caller named the film.
        notes: sentences for the person who reads the result are appended.

    Raises:
        RejectedFilmError: another modality, body part or view, raw detector data, or no image.
    """
    modality = _modality(header, source)
    if _text(header, "PresentationIntentType") == "FOR PROCESSING":
        raise RejectedFilmError(
            source, "it is raw detector data (For Processing)", "send the same film For Presentation"
        )
    body_part = _body_part(header, source, notes)
    return FilmFacts(modality, _view_position(header, source), body_part, _age_years(header))


def _text(header: Dataset, keyword: str) -> str:
    """Value of an element as upper-case text; its first value where there are several."""
    value = header.get(keyword)
    if value is None or isinstance(value, bytes):
        return ""
    if not isinstance(value, str) and hasattr(value, "__getitem__"):
        value = value[0] if len(value) else ""
    return str(value).strip().upper()


def _words(text: str) -> list[str]:
    """Words of a free text, upper case, without accents and plural."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().upper()
    words = re.findall(r"[A-Z]+", plain)
    return [word[:-1] if word.endswith("S") and word[:-1] in _CHEST | _ELSEWHERE else word for word in words]


def _meanings(header: Dataset, keyword: str) -> str:
    """Code meanings of a code sequence, joined."""
    return " ".join(_text(item, "CodeMeaning") for item in header.get(keyword) or ())


def _modality(header: Dataset, source: str) -> str:
    sop_class = str(header.get("SOPClassUID") or "")
    modality = _text(header, "Modality") or _SOP_CLASS_MODALITY.get(sop_class, "")
    remedy = "send a chest radiograph of modality CR or DX"
    if not modality:
        raise RejectedFilmError(source, "its header does not state the modality", remedy)
    if modality not in _RADIOGRAPHY:
        name = _MODALITY_NAMES.get(modality)
        what = f"{modality} ({name})" if name else "not radiography"
        raise RejectedFilmError(source, f"its modality is {what}", remedy)
    secondary_capture = f"{sop_class}.".startswith(_SECONDARY_CAPTURE)
    if sop_class and sop_class not in _SOP_CLASS_MODALITY and not secondary_capture:
        raise RejectedFilmError(
            source, f"its modality is {modality}, but its SOP class is not a radiograph's", remedy
        )
    return modality


def _body_part(header: Dataset, source: str, notes: list[str]) -> str | None:
    """Body Part Examined, after the most specific element that names a known one has been judged."""
    body_part = _text(header, "BodyPartExamined") or None
    voices = {
        "body part": body_part or "",
        "anatomic region": _meanings(header, "AnatomicRegionSequence"),
        "series description": _text(header, "SeriesDescription"),
        "protocol": _text(header, "ProtocolName"),
        "processing description": _text(header, "AcquisitionDeviceProcessingDescription"),
        "study description": _text(header, "StudyDescription"),
    }
    for voice, text in voices.items():
        words = _words(text)
        if _CHEST.intersection(words):
            return body_part
        elsewhere = [word for word in words if word in _ELSEWHERE]
        if elsewhere:
            raise RejectedFilmError(
                source, f"its {voice} says {elsewhere[0]}, not chest", "send a frontal chest radiograph"
            )
    notes.append("the header does not say that the film shows the chest")
    return body_part


def _view_position(header: Dataset, source: str) -> str | None:
    """PA or AP where known.

    View Position decides; where it is empty the view code, then the patient orientation of the rows (a
    lateral film's rows run from front to back), then the series description.
    """
    view = _words(_text(header, "ViewPosition")) or _words(_meanings(header, "ViewCodeSequence"))
    if not view and _text(header, "PatientOrientation")[:1] in ("A", "P"):
        view = ["LATERAL"]
    if not view:
        series = _words(_text(header, "SeriesDescription"))
        view = (
            [] if _FRONTAL.intersection(series) else [word for word in series if word in ("LAT", "LATERAL")]
        )
    if _SLANTED.intersection(view):
        raise RejectedFilmError(
            source, "its view is oblique or lying on the side", "send a frontal chest film, PA or AP"
        )
    if _SIDEWAYS.intersection(view):
        raise RejectedFilmError(source, "its view is lateral", "send a frontal chest film, PA or AP")
    joined = " ".join(view)
    if "AP" in view or "ANTERO POSTERIOR" in joined or "ANTEROPOSTERIOR" in joined:
        return "AP"
    if "PA" in view or "POSTERO ANTERIOR" in joined or "POSTEROANTERIOR" in joined:
        return "PA"
    return None


def _age_years(header: Dataset) -> float | None:
    """Patient's Age, "034Y", "010M", "003W", "005D", in years."""
    found = _AGE.fullmatch(_text(header, "PatientAge"))
    return int(found[1]) / _UNITS_PER_YEAR[found[2]] if found else None
