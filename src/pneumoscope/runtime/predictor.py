"""The one way from a film to its score: command line, API, web page and batches all call `Predictor`."""

import math
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscope.errors import FilmError, UsageError
from pneumoscope.image.frame import filled_share
from pneumoscope.image.prepare import PrepareParameters, film_inside, prepare
from pneumoscope.image.read import FilmSource, read
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.card import OperatingPoint
from pneumoscope.runtime.film import Failure, Film
from pneumoscope.runtime.session import check_session, open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from pneumoscope.image.radiograph import Radiograph

__all__ = ["Predictor"]

_FRAMED = 0.6  # share of the picture below which a film in an empty frame is told of


class Predictor:
    """Scores films with one bundle; may be shared by any number of threads.

    Equal pixels give equal bits: on repeat, beside any other films, from any thread. That is why the
    network sees one film at a time: onnxruntime rounds differently at other batch sizes, and on a CPU a
    batch is no faster per film.

    Args:
        bundle: as verified by `open_bundle`.
        operating_point: which of the card's thresholds decides the finding.
        threads: threads that share one film's arithmetic; None is one, the fastest way through many films
            with one calling thread per core.
        guard: refuse what the bundle's guard takes for no frontal chest film, and warn where it doubts;
            without effect where the bundle has no guard.
        session: the bundle's network where it has been loaded already; `threads` is then without effect.

    Attributes:
        guard: the one in use, or None: then anything that can be read gets a number.

    Raises:
        UsageError: the bundle has no such operating point, or `threads` is below one.
        BundleError: the bundle's network is not one that can be scored with.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        operating_point: str = "balanced",
        threads: int | None = None,
        guard: bool = True,
        session: "InferenceSession | None" = None,
    ) -> None:
        point = _point(bundle, operating_point)
        if threads is not None and threads < 1:
            raise UsageError(f"threads is {threads}, but must be at least 1")
        self.bundle = bundle
        self.operating_point = operating_point
        self.point = point
        self.guard = bundle.guard if guard else None
        if session is None:
            session = open_session(bundle, threads or 1)
        else:
            check_session(session, bundle)
        self._session = session

    def at(self, operating_point: str) -> "Predictor":
        """The same network, loaded once, at another operating point.

        Raises:
            UsageError: the bundle has no such operating point.
        """
        other = copy(self)
        other.operating_point = operating_point
        other.point = _point(self.bundle, operating_point)
        return other

    def predict(self, source: FilmSource, *, name: str | None = None) -> Film:
        """Score one film.

        Args:
            source: a path, the bytes of a file, an open binary file, a PIL image, or an (H, W) array.
            name: what to call it in messages and records, where it is no path.

        Raises:
            UnreadableFilmError: it cannot be read.
            RejectedFilmError: it is no frontal chest radiograph that may be scored.
        """
        return self.score(read(source, name=name))

    def score(self, radiograph: "Radiograph") -> Film:
        """Score a film that has been read.

        Raises:
            RejectedFilmError: it is blank, or the guard refuses it.
        """
        parameters = self.bundle.card.prepare
        inside = film_inside(radiograph, parameters)
        film = radiograph.part(*inside)
        notes = () if self.guard is None else self.guard.check(film)
        notes = (*notes, *_notes_of_frame(film, parameters))
        if notes:
            radiograph = replace(radiograph, warnings=(*radiograph.warnings, *notes))
        plate, geometry = prepare(radiograph, parameters, inside=inside)
        logit, cam = self.infer(plate)
        if not math.isfinite(logit):
            raise FilmError(
                radiograph.source,
                "the network gave no finite number for it",
                "report this film and the bundle",
            )
        card = self.bundle.card
        probability = _sigmoid(logit / card.temperature)
        cam.setflags(write=False)
        return Film(
            probability=probability,
            logit=logit,
            finding=card.labels[probability >= self.point.threshold],
            operating_point=self.operating_point,
            threshold=self.point.threshold,
            model=self.bundle.identity,
            cam=cam,
            heatmap_limit=card.heatmap_limit,
            geometry=geometry,
            radiograph=radiograph,
        )

    def infer(self, plate: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """What the network alone makes of one film.

        Args:
            plate: (1, S, S) float32, as `prepare` makes it.

        Returns:
            logit: before calibration; not checked.
            cam: (h, w) float32, the signed evidence map in logit units.
        """
        logits, cams = self._session.run(["logit", "cam"], {"film": plate[np.newaxis]})  # (1,), (1, h, w)
        return float(logits[0]), cams[0]

    def attempt(self, source: FilmSource, *, name: str | None = None) -> Film | Failure:
        """Score one film; a bad one is a `Failure`, not an exception."""
        try:
            return self.predict(source, name=name)
        except FilmError as error:
            return Failure.of(error)
        except MemoryError:
            called = name or (str(source) if isinstance(source, str | Path) else f"<{type(source).__name__}>")
            return Failure(
                called, "error", "there is not enough memory to decode it; score it on a larger machine"
            )

    def predict_many(self, sources: Iterable[FilmSource]) -> Iterator[Film | Failure]:
        """Score films lazily, in order; a bad one is a `Failure`, not an exception.

        Raises:
            UsageError: `sources` is one film, whose letters, bytes or lines are no films.
        """
        if isinstance(sources, str | bytes | bytearray | Path | Image.Image) or hasattr(sources, "read"):
            raise UsageError(
                "predict_many takes a list of films: put a single one into a list, or use predict"
            )
        return map(self.attempt, sources)


def _point(bundle: Bundle, name: str) -> OperatingPoint:
    points = {str(each): point for each, point in bundle.card.operating_points.items()}
    if name not in points:
        raise UsageError(f"there is no operating point {name!r}: choose one of {', '.join(points)}")
    return points[name]


def _notes_of_frame(film: "Radiograph", parameters: PrepareParameters) -> tuple[str, ...]:
    """Says so where a wide frame is left: the bundle cuts none off, or this one holds more than one grey."""
    share = filled_share(film.pixels)
    if share >= _FRAMED:
        return ()
    why = ", in which there is grain or writing," if parameters.cut_frame else ""
    return (
        f"the film fills only {share:.0%} of the picture: crop the empty frame{why} away, for it changes the "
        "probability",
    )


def _sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)), without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    power = math.exp(value)
    return power / (1.0 + power)
