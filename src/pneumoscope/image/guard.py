"""The guard at the entrance: is this a frontal chest radiograph of usable quality?

It knows chest films, not their opposites: the directions in which chest films differ from each other, how far
along them a film lies, and how much of it they do not explain. A few small networks on these numbers give
one score, in logits: above zero is a chest film as its makers knew them. What is refused is then looked at
again as a negative, turned and mirrored, so that the reason can be put into words.

Frontal films only were seen by it. A lateral film is known by its DICOM header in `pneumoscope.image.read`;
by its pixels it is refused only as far as it lacks two lungs beside a midline.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pneumoscope.errors import BundleError, RejectedFilmError
from pneumoscope.image.appearance import APPEARANCE_LENGTH, Exposure, appearance, view_and_exposure
from pneumoscope.image.radiograph import Radiograph

__all__ = ["Array", "Guard", "GuardParameters", "Population", "Verdict", "read_guard"]

_FORMAT: Final = 1
_NUMBER_LIMIT = 6.0  # standard deviations; beyond them a number says "far away" and no more
_FLOODED = 0.3  # share of pixels at one end of the scale that says so in the cause
_DRAWN_LEVELS = 16  # grey values below which an image is a drawing, a text or a ruined film
_DOUBT = "the film is unlike most of the training films: look whether it is a complete frontal chest film"
_REMEDY = "send one original frontal chest film: whole, upright, bones bright, with nothing around it"

_Turn = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
_TURNS: tuple[tuple[str, str, _Turn], ...] = (
    ("colour-inverted: bones are dark", "invert it", lambda view: 255 - view),
    ("upside down", "turn it by 180 degrees", lambda view: view[::-1]),
    ("rotated by 90 degrees", "turn it upright", lambda view: np.rot90(view, 1)),
    ("rotated by 90 degrees", "turn it upright", lambda view: np.rot90(view, 3)),
    ("colour-inverted and upside down", "invert it and turn it upright", lambda view: 255 - view[::-1]),
    ("colour-inverted and rotated", "invert it and turn it upright", lambda view: 255 - np.rot90(view, 1)),
    ("colour-inverted and rotated", "invert it and turn it upright", lambda view: 255 - np.rot90(view, 3)),
)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Array(_Record):
    """Numbers inside JSON: little-endian, C order, base64; no pickle.

    Attributes:
        dtype: "<f2" or "<f4".
        shape: of the array.
        data: base64 of its bytes.
    """

    dtype: Literal["<f2", "<f4"]
    shape: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...]
    data: str

    @classmethod
    def of(cls, values: NDArray[np.floating], dtype: Literal["<f2", "<f4"] = "<f4") -> "Array":
        """Pack an array."""
        packed = np.ascontiguousarray(values, dtype=dtype)
        return cls(dtype=dtype, shape=packed.shape, data=base64.b64encode(packed.tobytes()).decode())

    def values(self) -> NDArray[np.float32]:
        """Unpack it, float32.

        Raises:
            ValueError: the bytes are no finite array of this shape.
        """
        try:
            raw = base64.b64decode(self.data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"an array is no base64: {error}") from error
        flat = (
            np.frombuffer(raw, dtype=self.dtype) if len(raw) % 4 == 0 or self.dtype == "<f2" else np.empty(0)
        )
        if flat.size != int(np.prod(self.shape, dtype=np.int64)) or not np.isfinite(flat).all():
            raise ValueError(f"an array does not hold {self.shape} finite numbers")
        return flat.reshape(self.shape).astype(np.float32)


class Population(_Record):
    """Who and what was in the training films; a film outside is scored with a warning.

    Attributes:
        age_years: youngest and oldest patient.
        shortest_side: of the smallest film, pixels.
        aspect: smallest and largest width by height.
        contrast: smallest spread of the grey values, as a share of the full scale.
        white: largest share of pixels at the brightest value.
        levels: fewest grey values in use.
    """

    age_years: tuple[float, float]
    shortest_side: int
    aspect: tuple[float, float]
    contrast: float
    white: float
    levels: int


class GuardParameters(_Record):
    """guard.json: everything the guard knows. N numbers of appearance, D directions, K networks of H units.

    Attributes:
        format_version: of this schema.
        films: chest films it was fitted on.
        manifest_sha256: of the list of these films.
        families: kinds of images that are no chest films it was fitted on.
        refuse_below: score in logits.
        warn_below: score in logits; between the two a film is scored with a warning.
        turn_margin: by how many logits a turned view must be more like a chest film to say that it is turned.
        weight: (N,) by which the appearance is multiplied.
        mean: (N,) of chest films, weighted.
        axes: (N, D) directions in which chest films differ, orthonormal.
        spread: (D,) standard deviations along them.
        unexplained: mean and standard deviation of the logarithm of the squared rest.
        distance: mean and standard deviation of the logarithm of the squared distance along the axes.
        hidden: (K, D + 2, H) weights.
        hidden_bias: (K, H).
        output: (K, H) weights.
        output_bias: (K,).
        population: of the training films.
    """

    format_version: Literal[1] = _FORMAT
    films: int
    manifest_sha256: str
    families: tuple[str, ...]
    refuse_below: float
    warn_below: float
    turn_margin: float
    weight: Array
    mean: Array
    axes: Array
    spread: Array
    unexplained: tuple[float, float]
    distance: tuple[float, float]
    hidden: Array
    hidden_bias: Array
    output: Array
    output_bias: Array
    population: Population


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard makes of a film.

    Attributes:
        score: likeness to chest films, logits.
        cause: why it is refused, without a full stop, or None where it is accepted.
        remedy: what the user can do about it, or None.
        warnings: sentences about an accepted film.
    """

    score: float
    cause: str | None = None
    remedy: str | None = None
    warnings: tuple[str, ...] = ()


class Guard:
    """Tells frontal chest films from everything else; may be shared by any number of threads.

    Args:
        parameters: as fitted.

    Raises:
        ValueError: arrays whose shapes do not fit together.
    """

    def __init__(self, parameters: GuardParameters) -> None:
        self.parameters = parameters
        self._weight = parameters.weight.values()
        self._mean = parameters.mean.values()
        self._axes = parameters.axes.values()
        self._spread = parameters.spread.values()
        self._hidden = parameters.hidden.values()
        self._hidden_bias = parameters.hidden_bias.values()
        self._output = parameters.output.values()
        self._output_bias = parameters.output_bias.values()
        directions = self._axes.shape[-1]
        networks, units = self._output.shape[0], self._output.shape[-1]
        shapes = {
            "weight": (self._weight, (APPEARANCE_LENGTH,)),
            "mean": (self._mean, (APPEARANCE_LENGTH,)),
            "axes": (self._axes, (APPEARANCE_LENGTH, directions)),
            "spread": (self._spread, (directions,)),
            "hidden": (self._hidden, (networks, directions + 2, units)),
            "hidden_bias": (self._hidden_bias, (networks, units)),
            "output": (self._output, (networks, units)),
            "output_bias": (self._output_bias, (networks,)),
        }
        for name, (array, shape) in shapes.items():
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
        if min(parameters.unexplained[1], parameters.distance[1], float(self._spread.min())) <= 0:
            raise ValueError("a standard deviation is not above zero")

    @classmethod
    def from_json(cls, content: bytes) -> "Guard":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(GuardParameters.model_validate_json(content))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise ValueError(f"{key}: {first['msg']}" if key else str(first["msg"])) from error

    def to_json(self) -> bytes:
        """guard.json; equal guards give equal bytes."""
        return (self.parameters.model_dump_json(indent=1) + "\n").encode()

    def describe(self) -> str:
        """What it was fitted on, in one line."""
        parameters = self.parameters
        return (
            f"fitted on {parameters.films} chest films and {len(parameters.families)} kinds of other images"
        )

    def numbers_of(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where views lie among chest films.

        Args:
            described: (B, N) float32, `appearance` of the views.

        Returns:
            (B, D + 2) float32: standard deviations along the axes, of the unexplained rest, of the distance.
        """
        away = described * self._weight - self._mean  # (B, N)
        along = away @ self._axes  # (B, D)
        rest = np.maximum((away * away).sum(1) - (along * along).sum(1), 1e-6)
        along = along / self._spread
        squared = np.maximum((along * along).sum(1), 1e-6)
        ratios = [
            (np.log(values) - mean) / deviation
            for values, (mean, deviation) in (
                (rest, self.parameters.unexplained),
                (squared, self.parameters.distance),
            )
        ]
        numbers: NDArray[np.float32] = np.concatenate([along, np.stack(ratios, axis=1)], axis=1)
        return np.clip(numbers, -_NUMBER_LIMIT, _NUMBER_LIMIT)

    def scores(self, views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Likeness to chest films, of views and their mirror images: a heart on the right is no reason.

        Args:
            views: (B, S, S) uint8 as `film_view` gives them.

        Returns:
            (B,) float32 logits, the mean of both and of all networks.
        """
        both = np.concatenate([views, views[:, :, ::-1]])
        scores: NDArray[np.float32] = self._scores_of(appearance(both)).reshape(2, -1).mean(0)
        return scores

    def _scores_of(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean logit (B,) of all networks for views that have been described, (B, N)."""
        numbers = self.numbers_of(described)
        units = np.maximum(numbers @ self._hidden + self._hidden_bias[:, np.newaxis], 0.0)  # (K, B, H)
        logits = (units @ self._output[..., np.newaxis])[..., 0] + self._output_bias[:, np.newaxis]  # (K, B)
        scores: NDArray[np.float32] = logits.mean(0)
        return scores

    def judge(self, view: NDArray[np.uint8]) -> Verdict:
        """Judge a film by its view alone; size, age and exposure are left to `examine`."""
        parameters = self.parameters
        score = float(self.scores(view[np.newaxis])[0])
        if score >= parameters.warn_below:
            return Verdict(score)
        likeness = self.scores(np.stack([turn(view) for _, _, turn in _TURNS]))
        best = int(likeness.argmax())
        gain = float(likeness[best]) - score
        if likeness[best] >= parameters.warn_below and gain >= parameters.turn_margin:
            cause, remedy, _ = _TURNS[best]
            return Verdict(score, f"the film seems to be {cause}", f"{remedy} and send it again")
        if score >= parameters.refuse_below:
            return Verdict(score, warnings=(_DOUBT,))
        return Verdict(score, "the image does not look like a frontal chest radiograph", _REMEDY)

    def examine(self, film: Radiograph) -> Verdict:
        """Judge a film.

        Raises:
            RejectedFilmError: it is blank.
        """
        view, used = view_and_exposure(film)
        verdict = self.judge(view)
        if verdict.cause is None and used.levels < _DRAWN_LEVELS:
            cause = f"the film has only {used.levels} grey values: too few to tell lungs from bones"
            return Verdict(verdict.score, cause, "export it again with all its grey values")
        if verdict.cause is None:
            return replace(verdict, warnings=(*verdict.warnings, *self._outside(film, used)))
        return (
            replace(verdict, cause=verdict.cause + _exposed(used)) if verdict.remedy == _REMEDY else verdict
        )

    def check(self, film: Radiograph) -> tuple[str, ...]:
        """Let a film pass, with warnings, or refuse it.

        Returns:
            Sentences for the person who reads the result.

        Raises:
            RejectedFilmError: it is no frontal chest radiograph of usable quality.
        """
        verdict = self.examine(film)
        if verdict.cause is not None and verdict.remedy is not None:
            raise RejectedFilmError(film.source, verdict.cause, verdict.remedy)
        return verdict.warnings

    def _outside(self, film: Radiograph, used: Exposure) -> tuple[str, ...]:
        """In what an accepted film differs from those that the network was trained on."""
        known = self.parameters.population
        notes = []
        youngest, oldest = known.age_years
        if film.age_years is not None and not youngest <= film.age_years <= oldest:
            notes.append(
                f"the patient is {film.age_years:.3g} years old, those of the training films were between "
                f"{youngest:g} and {oldest:g}"
            )
        if min(film.height, film.width) < known.shortest_side:
            notes.append(
                f"the film has {film.width} x {film.height} pixels, fewer than any training film: send the "
                "original"
            )
        if not known.aspect[0] <= film.width / film.height <= known.aspect[1]:
            notes.append("the film is more elongated than any training film: it may have been cut or joined")
        if used.contrast < known.contrast:
            notes.append(
                f"the film uses only {used.contrast:.0%} of the grey scale: less than training films"
            )
        if used.levels < known.levels:
            notes.append(f"the film has only {used.levels} grey values: fewer than training films")
        if used.white > known.white:
            notes.append(f"{used.white:.0%} of the film is at its brightest value: parts may be overexposed")
        return tuple(notes)


def _exposed(used: Exposure) -> str:
    """What the grey values of a refused image add to the cause."""
    if used.white > _FLOODED:
        return f": {used.white:.0%} of it is at its brightest value"
    if used.black > _FLOODED:
        return f": {used.black:.0%} of it is at its darkest value"
    return f": it has only {used.levels} grey values" if used.levels < _DRAWN_LEVELS else ""


def read_guard(path: str | Path) -> Guard:
    """Read guard.json.

    Raises:
        BundleError: it cannot be read, or is something else.
    """
    path = Path(path)
    try:
        return Guard.from_json(path.read_bytes())
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error.strerror}): name guard.json of `pneumoscope data guard`"
        ) from error
    except ValueError as error:
        raise BundleError(
            f"{path} is no valid guard ({error}): fit it again by `pneumoscope data guard`"
        ) from error
