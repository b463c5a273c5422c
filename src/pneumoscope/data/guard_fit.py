"""Fit the guard: axes of chest films first, from chest films alone; then small networks on top. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pneumoscope.data.guard_examples import Example
from pneumoscope.errors import DataError
from pneumoscope.image.appearance import APPEARANCE_LENGTH, appearance
from pneumoscope.image.guard import Array, Guard, GuardParameters, Population

__all__ = ["FitOptions", "described_examples", "fit_guard", "set_thresholds"]

_EDGES_FROM = APPEARANCE_LENGTH - 512
_GREYS_FROM = _EDGES_FROM - 16
_CHUNK = 128
_FEWEST = 0.5  # films that the refused share of a source must come to
_UNSET = Population(age_years=(0, 200), shortest_side=1, aspect=(0.01, 100), contrast=0, white=1, levels=2)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How the guard is fitted.

    Attributes:
        directions: axes of chest films that are kept.
        units: hidden units of each network.
        networks: whose mean is the score.
        epochs: times that each example is drawn, on average.
        batch: examples per step.
        rate: first learning rate of Adam; it falls along a cosine.
        decay: of the weights, per step and rate.
        dropout: share of the numbers that are hidden from a network at each step.
        confidence: what an example's own class is worth, so that scores stay finite.
    """

    directions: int = 160
    units: int = 64
    networks: int = 8
    epochs: int = 20
    batch: int = 256
    rate: float = 2e-3
    decay: float = 0.02
    dropout: float = 0.1
    confidence: float = 0.99


def fit_guard(
    examples: Sequence[Example],
    generator: Generator,
    options: FitOptions | None = None,
    *,
    described: NDArray[np.float32] | None = None,
    manifest_sha256: str = "0" * 64,
    population: Population = _UNSET,
) -> Guard:
    """Fit a guard; its thresholds are zero until `set_thresholds` has seen other films.

    Every family weighs as the square root of its examples; chest films and all else weigh alike.

    Args:
        examples: chest films and everything else.
        generator: of first weights and of the order of examples.
        options: of the fit.
        described: (N, APPEARANCE_LENGTH) of the examples, where it is known.
        manifest_sha256: of the list of films.
        population: of the films.
    """
    options = options or FitOptions()
    chest = np.array([example.chest for example in examples])
    families = np.array([example.family for example in examples])
    share = _shares(chest, families)
    numbers = described_examples(examples) if described is None else described
    weight = np.ones(APPEARANCE_LENGTH, np.float32)
    weight[_GREYS_FROM:_EDGES_FROM] = 2.0
    weight[_EDGES_FROM:] = 1.3
    mean, axes, spread = _chest_axes(numbers[chest] * weight, share[chest] * 2, options.directions)
    away = numbers * weight - mean
    along = away @ axes
    rest = np.log(np.maximum((away * away).sum(1) - (along * along).sum(1), 1e-6))
    squared = np.log(np.maximum(((along / spread) ** 2).sum(1), 1e-6))
    parameters = GuardParameters(
        films=int(np.sum([example.chest and not example.altered for example in examples])),
        manifest_sha256=manifest_sha256,
        families=tuple(sorted(set(families[~chest].tolist()))),
        refuse_below=0.0,
        warn_below=0.0,
        turn_margin=2.0,
        weight=Array.of(weight),
        mean=Array.of(mean),
        axes=Array.of(axes, "<f2"),
        spread=Array.of(spread),
        unexplained=(float(rest[chest].mean()), float(rest[chest].std())),
        distance=(float(squared[chest].mean()), float(squared[chest].std())),
        hidden=Array.of(np.zeros((1, options.directions + 2, 1))),
        hidden_bias=Array.of(np.zeros((1, 1))),
        output=Array.of(np.zeros((1, 1))),
        output_bias=Array.of(np.zeros(1)),
        population=population,
    )
    inputs = Guard(parameters).numbers_of(numbers)
    networks = [_network(inputs, chest, share, generator, options) for _ in range(options.networks)]
    hidden, hidden_bias, output, output_bias = (np.stack(part) for part in zip(*networks, strict=True))
    learned = {
        "hidden": Array.of(hidden),
        "hidden_bias": Array.of(hidden_bias),
        "output": Array.of(output),
        "output_bias": Array.of(output_bias[:, 0]),
    }
    return Guard(parameters.model_copy(update=learned))


def set_thresholds(guard: Guard, films: Sequence[Example], *, refused: float, warned: float) -> Guard:
    """Set the thresholds so that no source loses more than a share of its unaltered films.

    Args:
        guard: as fitted.
        films: chest films that it was not fitted on. Sources with too few to tell such a share do not count,
            unless all are such: then they count as one.
        refused: share of the films of the worst source below `refuse_below`.
        warned: share of them below `warn_below`.

    Raises:
        DataError: there is no chest film.
    """
    sources: dict[str, list[NDArray[np.uint8]]] = {}
    for film in films:
        if film.chest and not film.altered:
            sources.setdefault(film.family, []).append(film.view)
    if not sources:
        raise DataError("there is no chest film to set the guard's thresholds on: name another manifest")
    enough = [views for views in sources.values() if len(views) * refused >= _FEWEST]
    pooled = [[view for views in sources.values() for view in views]]
    scores = [guard.scores(np.stack(views)) for views in enough or pooled]
    limits = {
        "refuse_below": min(float(np.quantile(values, refused)) for values in scores),
        "warn_below": min(float(np.quantile(values, warned)) for values in scores),
    }
    return Guard(guard.parameters.model_copy(update=limits))


def described_examples(examples: Sequence[Example]) -> Floats:
    """(N, APPEARANCE_LENGTH) float32, in chunks that stay in the processor's cache."""
    described = np.empty((len(examples), APPEARANCE_LENGTH), np.float32)
    for start in range(0, len(examples), _CHUNK):
        views = np.stack([example.view for example in examples[start : start + _CHUNK]])
        described[start : start + _CHUNK] = appearance(views)
    return described


def _shares(chest: NDArray[np.bool_], families: NDArray[np.str_]) -> Floats:
    """Weights: a family has the root of its size, chest films and all else have a half each."""
    share = np.zeros(len(chest), np.float32)
    for side in (True, False):
        for family in np.unique(families[chest == side]):
            own = (chest == side) & (families == family)
            share[own] = 1.0 / np.sqrt(own.sum())
        share[chest == side] /= 2 * share[chest == side].sum()
    return share


def _chest_axes(films: Floats, share: Floats, directions: int) -> tuple[Floats, Floats, Floats]:
    """Mean (N,), principal axes (N, D) and damped standard deviations (D,) of weighted chest films."""
    mean = share @ films
    away = films - mean
    variance, vectors = np.linalg.eigh((away * share[:, None]).T @ away)  # ascending
    axes = vectors[:, ::-1][:, :directions].astype(np.float16).astype(np.float32)
    ordered = np.maximum(variance[::-1], 1e-9)
    return mean, axes, np.sqrt(ordered[:directions] + ordered[directions]).astype(np.float32)


def _network(
    inputs: Floats, chest: NDArray[np.bool_], share: Floats, generator: Generator, options: FitOptions
) -> tuple[Floats, Floats, Floats, Floats]:
    """One hidden layer, fitted with Adam to the cross-entropy; its weights and biases."""
    width = inputs.shape[1]
    steps = options.epochs * len(inputs) // options.batch
    probability = share.astype(np.float64) / share.sum(dtype=np.float64)
    drawn = generator.choice(len(inputs), (steps, options.batch), p=probability)
    wanted = np.where(chest, options.confidence, 1 - options.confidence).astype(np.float32)
    weights = [
        generator.normal(0, width**-0.5, (width, options.units)).astype(np.float32),
        np.zeros(options.units, np.float32),
        generator.normal(0, options.units**-0.5, options.units).astype(np.float32),
        np.zeros(1, np.float32),
    ]
    first = [np.zeros_like(part) for part in weights]
    second = [np.zeros_like(part) for part in weights]
    for step, chosen in enumerate(drawn):
        kept = generator.random((options.batch, width), np.float32) >= options.dropout
        batch = inputs[chosen] * kept / np.float32(1 - options.dropout)  # (B, W)
        before = batch @ weights[0] + weights[1]
        active = np.maximum(before, 0)  # (B, H)
        logits = active @ weights[2] + weights[3][0]
        error = ((1 / (1 + np.exp(-logits)) - wanted[chosen]) / options.batch).astype(np.float32)
        back = np.outer(error, weights[2]) * (before > 0)
        gradients = [batch.T @ back, back.sum(0), active.T @ error, np.array([error.sum()], np.float32)]
        rate = options.rate * 0.5 * (1 + np.cos(np.pi * step / steps))
        for index, gradient in enumerate(gradients):
            first[index] = 0.9 * first[index] + 0.1 * gradient
            second[index] = 0.99 * second[index] + 0.01 * gradient**2
            move = first[index] / (1 - 0.9 ** (step + 1))
            move = move / (np.sqrt(second[index] / (1 - 0.99 ** (step + 1))) + 1e-8)
            decay = options.decay * weights[index] if index in (0, 2) else np.float32(0)
            weights[index] = (weights[index] - rate * (move + decay)).astype(np.float32)
    return weights[0], weights[1], weights[2], weights[3]
