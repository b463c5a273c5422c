"""What a training film may look like: grey scale, geometry, sharpness, masking, for a whole batch at once.

Every change of grey is one table of 256 numbers per film, and every change of geometry one affine sampling
per film, so that augmentation costs a few per cent of a small network's step on two cores. (torchvision's
v2 transforms work film by film and cost five to ten times as much there.) It works where the plates are, on
the CPU or on a graphics card. All randomness comes from one `Draws`: the same generators give the same batch.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from pneumoscope.image.prepare import PrepareParameters, normalise
from pneumoscope.training.draws import Draws

__all__ = ["AugmentParameters", "augment"]

Range = tuple[float, float]

# Shares of the side: from the local contrast of whole lungs to the edges of vessels and ribs.
_ENHANCED_BEYOND = (0.06, 0.5)


class AugmentParameters(BaseModel):
    """How far a training film may be changed; the defaults change nothing.

    Attributes:
        rotate_degrees: rotation about the centre, uniform within plus and minus this.
        scale: magnification, log-uniform; above 1 crops, below 1 pads with black.
        aspect: ratio of horizontal to vertical magnification, log-uniform; makes geometry say nothing.
        translate: shift, uniform within plus and minus this share of the side.
        flip_probability: of a left-right mirror image.
        brightness: factor, uniform in 1 plus and minus this (torchvision's ColorJitter).
        contrast: factor about the film's mean, uniform in 1 plus and minus this (ColorJitter).
        gamma: exponent of grey in [0, 1], log-uniform.
        tone_curve: strength in [0, 1] of a random monotone curve through five knots.
        noise: standard deviation of Gaussian grain, uniform from 0 to this, in shares of full scale.
        blur_probability: of a loss of resolution: scaled down and up again.
        blur_scale: smallest share of the side that a loss of resolution leaves.
        enhance_probability: of making detail stand out, as the software of some machines does.
        enhance_strength: factor on what a blur of random width takes away, uniform from 0 to this.
        border_probability: of blacking out a frame of random width on each side.
        border_width: largest width of that frame, share of the side.
        marker_probability: of painting a bright or dark rectangle near a corner, as burned-in letters are.
        erase_probability: of greying out a random rectangle anywhere.
        erase_area: largest area of that rectangle, share of the film.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotate_degrees: float = Field(default=0.0, ge=0, le=180)
    scale: Range = (1.0, 1.0)
    aspect: Range = (1.0, 1.0)
    translate: float = Field(default=0.0, ge=0, le=0.5)
    flip_probability: float = Field(default=0.0, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, lt=1)
    gamma: Range = (1.0, 1.0)
    tone_curve: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=0.5)
    blur_probability: float = Field(default=0.0, ge=0, le=1)
    blur_scale: float = Field(default=0.4, gt=0, le=1)
    enhance_probability: float = Field(default=0.0, ge=0, le=1)
    enhance_strength: float = Field(default=1.5, gt=0, le=5)
    border_probability: float = Field(default=0.0, ge=0, le=1)
    border_width: float = Field(default=0.15, ge=0, lt=0.5)
    marker_probability: float = Field(default=0.0, ge=0, le=1)
    erase_probability: float = Field(default=0.0, ge=0, le=1)
    erase_area: float = Field(default=0.1, gt=0, lt=1)


def augment(
    plates: Tensor,
    masks: Tensor | None,
    parameters: AugmentParameters,
    prepare: PrepareParameters,
    draws: Draws,
) -> tuple[Tensor, Tensor | None]:
    """Change a batch of plates at random and normalise it.

    Args:
        plates: (B, S, S) uint8, as `make_plate` gives them.
        masks: (B, S, S) or (B, C, S, S) uint8, 255 inside a radiologist's box or a lung, or None.
        parameters: how far films may be changed.
        prepare: gives mean and standard deviation.
        draws: the only source of randomness, for the device of the plates.

    Returns:
        input: (B, 1, S, S) float32, normalised as `normalise` does.
        masks: of the same shape, float32 in [0, 1], moved with their films, or None.
    """
    if parameters == AugmentParameters():
        greys = torch.from_numpy(normalise(np.arange(256, dtype=np.uint8).reshape(16, 16), prepare))
        films = draws.on_device(greys.flatten())[plates.unsqueeze(1).long()]
        return films, None if masks is None else masks.float() / 255.0
    count = plates.shape[0]
    tables = _grey_tables(plates, parameters, draws)  # (B, 256)
    films = torch.gather(tables, 1, plates.view(count, -1).long())
    films = films.view(count, 1, *plates.shape[1:])  # (B, 1, S, S) in [0, 1]
    grid = _sampling_grid(count, plates.shape[-1], parameters, draws)
    if grid is not None:
        films = functional.grid_sample(
            films, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
    films = _enhance_detail(films, parameters, draws)
    films = _lose_resolution(films, parameters, draws)
    films = _add_noise(films, parameters, draws)
    films = _mask_parts(films, parameters, draws)
    films = (films - prepare.mean) / prepare.std
    if masks is None:
        return films, None
    moved = masks.float().view(count, -1, *masks.shape[-2:]) / 255.0  # (B, C, S, S)
    if grid is not None:
        moved = functional.grid_sample(
            moved, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
    return films, moved.view(masks.shape)


def _grey_tables(plates: Tensor, parameters: AugmentParameters, draws: Draws) -> Tensor:
    """(B, 256) float32 in [0, 1]: new grey of each stored grey; black stays black, as padding is."""
    count = plates.shape[0]
    grey = draws.on_device(torch.linspace(0.0, 1.0, 256)).repeat(count, 1)
    if parameters.tone_curve > 0:
        steps = draws.uniform(count, 0.0, 1.0, 5) * parameters.tone_curve + (1 - parameters.tone_curve) * 0.5
        knots = functional.pad(steps.cumsum(1) / steps.sum(1, keepdim=True), (1, 0))  # (B, 6), 0 to 1
        position = grey * 5
        left = position.floor().clamp(max=4).long()
        low, high = knots.gather(1, left), knots.gather(1, left + 1)
        grey = low + (high - low) * (position - left)
    if parameters.gamma != (1.0, 1.0):
        grey = grey ** draws.log_uniform(count, parameters.gamma).unsqueeze(1)
    if parameters.brightness > 0:
        factor = draws.uniform(count, 1 - parameters.brightness, 1 + parameters.brightness)
        grey = (grey * factor.unsqueeze(1)).clamp(0, 1)
    if parameters.contrast > 0:
        factor = draws.uniform(count, 1 - parameters.contrast, 1 + parameters.contrast).unsqueeze(1)
        mean = torch.gather(grey, 1, plates.view(count, -1)[:, ::7].long()).mean(1, keepdim=True)
        grey = (mean + (grey - mean) * factor).clamp(0, 1)
    grey[:, 0] = 0.0
    return grey


def _sampling_grid(count: int, size: int, parameters: AugmentParameters, draws: Draws) -> Tensor | None:
    """(B, S, S, 2) float32 for `grid_sample`, or None where geometry stays as it is."""
    moving = (parameters.rotate_degrees, parameters.translate, parameters.flip_probability)
    if not any(moving) and parameters.scale == (1.0, 1.0) and parameters.aspect == (1.0, 1.0):
        return None
    angle = draws.uniform(count, -parameters.rotate_degrees, parameters.rotate_degrees).deg2rad()
    scale = draws.log_uniform(count, parameters.scale)
    stretch = draws.log_uniform(count, parameters.aspect).sqrt()
    mirror = draws.on_device(torch.where(draws.chance(count, parameters.flip_probability), -1.0, 1.0))
    shift = draws.uniform(count, -parameters.translate, parameters.translate, 2) * 2
    across, down = mirror / (scale * stretch), stretch / scale  # plate -> film, hence the reciprocals
    rows = torch.stack(
        (
            torch.stack((angle.cos() * across, -angle.sin() * across, shift[:, 0]), 1),
            torch.stack((angle.sin() * down, angle.cos() * down, shift[:, 1]), 1),
        ),
        1,
    )  # (B, 2, 3)
    return functional.affine_grid(rows, [count, 1, size, size], align_corners=False)


def _enhance_detail(films: Tensor, parameters: AugmentParameters, draws: Draws) -> Tensor:
    """Unsharp masking; black stays black."""
    if parameters.enhance_probability == 0:
        return films
    count = films.shape[0]
    chosen = draws.chance(count, parameters.enhance_probability)
    shares = draws.of_each_group(count, math.log(_ENHANCED_BEYOND[0]), math.log(_ENHANCED_BEYOND[1]))
    strength = draws.uniform(count, 0.0, parameters.enhance_strength).view(-1, 1, 1, 1)
    films = films.clone()
    for picked, share in _picked(chosen, shares):
        plain = films[picked]
        sharper = (plain + strength[picked] * (plain - _blurred(plain, math.exp(share)))).clamp(0, 1)
        films[picked] = torch.where(plain > 0, sharper, plain)
    return films


def _lose_resolution(films: Tensor, parameters: AugmentParameters, draws: Draws) -> Tensor:
    if parameters.blur_probability == 0:
        return films
    count = films.shape[0]
    chosen = draws.chance(count, parameters.blur_probability)
    shares = draws.of_each_group(count, parameters.blur_scale, 1.0)
    films = films.clone()
    for picked, share in _picked(chosen, shares):
        films[picked] = _blurred(films[picked], share)
    return films


def _picked(chosen: Tensor, shares: list[tuple[slice, float]]) -> Iterator[tuple[Tensor, float]]:
    """Indices of the chosen films of each group that has any, with the group's number."""
    for group, share in shares:
        picked = chosen[group].nonzero()[:, 0] + group.start
        if len(picked):
            yield picked, share


def _blurred(films: Tensor, share: float) -> Tensor:
    """Scaled down to this share of the side, and up again."""
    size = films.shape[-1]
    small = functional.interpolate(
        films, size=max(8, round(size * share)), mode="bilinear", antialias=True, align_corners=False
    )
    return functional.interpolate(small, size=size, mode="bilinear", align_corners=False)


def _add_noise(films: Tensor, parameters: AugmentParameters, draws: Draws) -> Tensor:
    if parameters.noise == 0:
        return films
    strength = draws.uniform(films.shape[0], 0.0, parameters.noise).view(-1, 1, 1, 1)
    return torch.where(films > 0, (films + strength * draws.grain(films)).clamp(0, 1), films)


def _mask_parts(films: Tensor, parameters: AugmentParameters, draws: Draws) -> Tensor:
    """Black frames, painted markers and greyed rectangles; changes `films` in place and returns it."""
    count, size = films.shape[0], films.shape[-1]
    framed = draws.chance(count, parameters.border_probability)
    frames = draws.rand(count, 4) * parameters.border_width * size
    marked = draws.chance(count, parameters.marker_probability)
    markers = draws.rand(count, 6)
    erased = draws.chance(count, parameters.erase_probability)
    patches = draws.rand(count, 5)
    for index in range(count):
        film = films[index, 0]
        if framed[index]:
            top, bottom, left, right = (int(width) for width in frames[index])
            film[:top] = 0
            film[size - bottom :] = 0
            film[:, :left] = 0
            film[:, size - right :] = 0
        if marked[index]:
            row, column, height, width, grey, corner = markers[index].tolist()
            height, width = 0.02 + 0.05 * height, 0.04 + 0.12 * width
            row, column = 0.02 + 0.14 * row, 0.02 + 0.2 * column
            row = row if corner < 0.5 else 1 - row - height
            column = column if corner % 0.5 < 0.25 else 1 - column - width
            _paint(film, row, column, height, width, 1.0 if grey > 0.3 else 0.0)
        if erased[index]:
            area, ratio, row, column, grey = patches[index].tolist()
            height = math.sqrt(area * parameters.erase_area * math.exp(ratio - 0.5))
            width = area * parameters.erase_area / max(height, 1e-6)
            _paint(film, row * (1 - height), column * (1 - width), height, width, grey)
    return films


def _paint(film: Tensor, row: float, column: float, height: float, width: float, grey: float) -> None:
    size = film.shape[-1]
    top, bottom = round(row * size), round((row + height) * size)
    left, right = round(column * size), round((column + width) * size)
    film[top:bottom, left:right] = grey
