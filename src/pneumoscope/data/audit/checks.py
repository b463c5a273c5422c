"""The questions of an audit: what is looked at, from where on it is amber or red, and what to do then."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["COUNT_CHECKS", "SHARE_CHECKS", "TELLING_CHECKS", "CheckKind"]

Compares = Literal["label", "source", "split"]


@dataclass(frozen=True, slots=True)
class CheckKind:
    """One question.

    Attributes:
        name: key in audit.json.
        title: on the page.
        question: what is asked, in one sentence.
        remedy: what to do where the answer is bad.
        amber_from: the lower end of the 95 % interval (or the figure itself) above which it is amber.
        red_from: above which it is red.
        compares: what is told apart: labels, sources, or test films from the rest.
        single: the answer rests on one number per film, so that its AUC without any fitting is shown too.
    """

    name: str
    title: str
    question: str
    remedy: str
    amber_from: float
    red_from: float
    compares: Compares = "label"
    single: bool = False


_AMBER, _RED = 0.60, 0.70

TELLING_CHECKS: tuple[CheckKind, ...] = (
    CheckKind(
        "file-size",
        "File size alone",
        "Does the number of bytes of the file tell the label?",
        "Sharpness, noise and compression differ between the labels: train with blur, noise and resampling, "
        "and compare scores after every file is encoded anew.",
        _AMBER,
        _RED,
        single=True,
    ),
    CheckKind(
        "aspect-ratio",
        "Aspect ratio alone",
        "Does width over height tell the label?",
        "Black padding shows a network the aspect ratio: train with random aspect, or stretch to a square.",
        _AMBER,
        _RED,
        single=True,
    ),
    CheckKind(
        "short-side",
        "Short side alone",
        "Does the shorter side, in pixels, tell the label?",
        "Resolution or shape goes with the label: train with random loss of resolution and random aspect.",
        _AMBER,
        _RED,
        single=True,
    ),
    CheckKind(
        "geometry",
        "Geometry: width, height, format",
        "Do width, height, aspect ratio and file format together tell the label?",
        "Bring all films to one size and format before training, and train with random aspect and scale.",
        _AMBER,
        _RED,
    ),
    CheckKind(
        "view",
        "View position alone",
        "Does the view, AP or PA, tell the label?",
        "The sick are imaged lying: compare labels within one view, or balance views within labels.",
        _AMBER,
        _RED,
        single=True,
    ),
    CheckKind(
        "age",
        "Age alone",
        "Does the patient's age tell the label?",
        "Balance or match ages between the labels, and report results by age.",
        _AMBER,
        _RED,
        single=True,
    ),
    CheckKind(
        "border",
        "The outer border alone",
        "Does the outer frame of the film, 31 % of its area, tell the label?",
        "Collimation, position and burned-in marks go with the label: crop or black out borders at random.",
        _AMBER,
        _RED,
    ),
    CheckKind(
        "corners",
        "Fine contrast in the corners",
        "Do letters, markers, grain or sharpness in the four corners tell the label?",
        "Look for burned-in letters; paint markers and black frames at random in training.",
        _AMBER,
        _RED,
    ),
    CheckKind(
        "background",
        "Shape of the black background, or of the cut",
        "Does the shape of what is black (padding, collimator, films cut to the lungs) tell the label?",
        "Never let cut and whole films go with the label; for cut films compare pneumonia with other "
        "disease, or mask all films alike.",
        _AMBER,
        _RED,
    ),
    CheckKind(
        "outside-lungs",
        "The film with the lungs blacked out",
        "Does what lies outside the lungs tell the label?",
        "Position, build, tubes and exposure go with the label: mask or crop to the lungs, or match films.",
        _AMBER,
        _RED,
    ),
    CheckKind(
        "thumbnail",
        "An 8 x 8 thumbnail",
        "Does a thumbnail of 8 x 8 pixels tell the label? Large opacities show in it: the bounds are higher.",
        "Exposure, position and size of the chest tell nearly all: train with random tone, scale and shift, "
        "and test on another hospital.",
        0.85,
        0.95,
    ),
    CheckKind(
        "source",
        "Source from an 8 x 8 thumbnail",
        "Among films of one label, does a thumbnail tell which data set a film comes from?",
        "A network can know the source; keep both labels in every source, balanced within each.",
        0.80,
        1.00,
        compares="source",
    ),
    CheckKind(
        "split-shift",
        "Test films from an 8 x 8 thumbnail",
        "Among films of one source and label, does a thumbnail tell test films from the others?",
        "The test split is another population: a threshold chosen on validation will not hold on it; "
        "report AUC with intervals and say so.",
        _AMBER,
        _RED,
        compares="split",
    ),
)

SHARE_CHECKS: tuple[CheckKind, ...] = (
    CheckKind(
        "source-label",
        "Source and label",
        "Which share of the label's entropy does the name of the source explain?",
        "Labels come from different sources, so a network may learn the source: balance labels within each "
        "source, leave out sources of one label, and test on sources that training never saw.",
        0.03,
        0.12,
    ),
)

COUNT_CHECKS: tuple[CheckKind, ...] = (
    CheckKind(
        "patients-across-splits",
        "Patients across splits",
        "How many patients have films in two splits?",
        "Build the manifest again: figures on these splits are too good.",
        0,
        0,
    ),
    CheckKind(
        "copies-across-splits",
        "Copies across splits",
        "How many films stand in two splits, byte for byte or scaled, re-encoded or windowed anew?",
        "Build the manifest again: figures on these splits are too good.",
        0,
        0,
    ),
)
