"""What scoring one film yields: a `Film`, or a `Failure` where it could not or must not be scored."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscope.errors import FilmError

if TYPE_CHECKING:
    from PIL.Image import Image

    from pneumoscope.image.prepare import Geometry
    from pneumoscope.image.radiograph import Radiograph

__all__ = ["RECORD_FIELDS", "Failure", "Film", "Record"]

Record = dict[str, str | float | None]

RECORD_FIELDS = (
    "path",
    "status",
    "reason",
    "probability",
    "logit",
    "finding",
    "operating_point",
    "threshold",
    "model",
)


@dataclass(frozen=True, eq=False)
class Film:
    """One scored film.

    Attributes:
        probability: calibrated probability of pneumonia, 0..1: sigmoid(logit / temperature).
        logit: of the network, before calibration.
        finding: "PNEUMONIA" where the probability reaches the threshold, else "NORMAL".
        operating_point: name of the operating point, for example "balanced".
        threshold: of that operating point in this version of the bundle, on the calibrated probability.
        model: name and version of the bundle.
        cam: (h, w) float32, the network's signed evidence map over the plate, logit units, read-only. Its
            mean plus the bias is the logit.
        heatmap_limit: logit units at which an overlay's colours saturate, for every film alike.
        geometry: where the film lies on the plate.
        radiograph: the film as read.
    """

    probability: float
    logit: float
    finding: str
    operating_point: str
    threshold: float
    model: str
    cam: NDArray[np.float32] = field(repr=False)
    heatmap_limit: float = field(repr=False)
    geometry: "Geometry" = field(repr=False)
    radiograph: "Radiograph" = field(repr=False)

    @property
    def path(self) -> str:
        """How the caller named the film."""
        return self.radiograph.source

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the person who reads the result."""
        return self.radiograph.warnings

    @cached_property
    def heatmap(self) -> NDArray[np.float32]:
        """Signed evidence map on the film's own pixels, computed on first use.

        Returns:
            (H, W) float32 in logit units, neither rescaled nor clipped, read-only; zero where the film
            was not shown to the network.
        """
        heatmap = self.geometry.to_film(self.cam)
        heatmap.setflags(write=False)
        return heatmap

    def overlay(self) -> "Image":
        """The film beside the film with its evidence, as an RGB image."""
        from pneumoscope.report.overlay import render_overlay

        return render_overlay(self)

    def record(self) -> Record:
        """The film as one row of results, with the keys of `RECORD_FIELDS` in their order."""
        return {
            "path": self.path,
            "status": "ok",
            "reason": None,
            "probability": self.probability,
            "logit": self.logit,
            "finding": self.finding,
            "operating_point": self.operating_point,
            "threshold": self.threshold,
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """One film that got no number.

    Attributes:
        path: how the caller named it.
        status: "rejected" (read, but no film to be scored) or "error" (could not be read).
        reason: what is wrong and what to do about it.
    """

    path: str
    status: str
    reason: str

    @classmethod
    def of(cls, error: FilmError) -> "Failure":
        """The failure that an error stands for."""
        return cls(error.source, error.status, error.reason)

    def record(self) -> Record:
        """The failure as one row of results; everything but path, status and reason is None."""
        stated: Record = {"path": self.path, "status": self.status, "reason": self.reason}
        return {name: stated.get(name) for name in RECORD_FIELDS}
