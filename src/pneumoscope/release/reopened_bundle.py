"""The way back from a bundle to a run: a network that can be trained on, from the graph that was exported.

The exporter folds each batch normalisation into the convolution before it, so that its statistics are gone.
Here the convolution keeps the folded weights, and the normalisation gets back statistics of its own, measured
on real films, with the scale and shift that undo them: scored, the network is the exported one; trained, it
normalises as it did before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import ValidationError
from torch import Tensor, nn

from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import BundleError, DataError, UsageError
from pneumoscope.export import to_onnx
from pneumoscope.image.prepare import prepare
from pneumoscope.image.read import FilmRoot, read
from pneumoscope.models import PooledClassifier, build_model, save_weights
from pneumoscope.release.parity import check_parity
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.predictor import Predictor
from pneumoscope.runtime.provenance import TrainingRun, recipes_of
from pneumoscope.training import checkpoint
from pneumoscope.training.dataset import select_films
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.sampling import epoch_order, group_shares, groups_of

__all__ = ["ReopenedBundle", "check_new_run", "reopen_bundle", "write_run"]

_PREFIX = "model."
_FOLDED_BIAS = "weight_bias"  # what the exporter calls the bias of a convolution with a folded normalisation
_PROBE_SIZE = 64
_COMPARED = 24
_LARGEST_DIFFERENCE = 1e-3  # ten times an export's: what was folded is undone in single precision
_BATCH = 64

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ReopenedBundle:
    """A bundle's network, ready to be trained on.

    Attributes:
        model: scores as the bundle does.
        recipe: of the last run that the bundle is made of.
        facts: what run.json is to hold.
    """

    model: PooledClassifier
    recipe: Recipe
    facts: dict[str, Any]


def reopen_bundle(
    bundle: Bundle, rows: Sequence[ManifestRow], root: FilmRoot, *, films: int = 512
) -> ReopenedBundle:
    """Rebuild the network of a bundle.

    Args:
        bundle: of one network; an ensemble's members cannot be told from its graph.
        rows: of a manifest; training films of the recipe's sources and labels are used.
        root: that their paths are relative to.
        films: that the statistics of normalisation are measured on, drawn as the recipe draws them.

    Raises:
        BundleError: it holds several networks, integers, or a network whose weights the exporter has changed
            in a way that is not known here.
        DataError: the manifest has no such training films.
        FilmError: one of them cannot be read.
    """
    card, name = bundle.card, bundle.identity
    if card.architecture == "ensemble" or card.lower_precision is not None:
        raise BundleError(
            f"{name} cannot be trained on: it is an ensemble, or of lower precision; "
            "name a bundle of one network in single precision"
        )
    try:
        recipe = Recipe.model_validate(recipes_of(card.recipe)[-1])
    except ValidationError as error:
        raise BundleError(f"{name}: its card holds a recipe of another version of pneumoscope") from error
    with torch.random.fork_rng(devices=[]):
        model = build_model(recipe.model.name, **recipe.model.options)
        _fill(model, bundle)
    chosen = _drawn(rows, recipe, films)
    batch = np.stack([prepare(read(root / row.path), card.prepare)[0] for row in chosen])  # (N, 1, S, S)
    _measure_normalisation(model, torch.from_numpy(batch))
    compared = [root / row.path for row in chosen[:_COMPARED]]
    try:
        check_parity(model, Predictor(bundle, guard=False), compared, _LARGEST_DIFFERENCE)
    except BundleError as error:
        raise _unknown(bundle, "the weights") from error
    return ReopenedBundle(model, recipe, _facts(bundle, recipe, model))


def check_new_run(directory: Path) -> None:
    """Refuse a place for a run before any work is done.

    Raises:
        UsageError: it is a file, or holds a run.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory}: is no folder; choose another --out")
    if (directory / checkpoint.RUN).exists():
        raise UsageError(f"{directory}: holds a run already; choose another --out")


def write_run(reopened: ReopenedBundle, directory: Path) -> None:
    """Write weights.safetensors, recipe.json and, last, run.json, as `pneumoscope train` does."""
    directory.mkdir(parents=True, exist_ok=True)
    save_weights(reopened.model, directory / checkpoint.WEIGHTS)
    checkpoint.write_json(directory / checkpoint.RECIPE, reopened.recipe.model_dump(mode="json"))
    checkpoint.write_json(directory / checkpoint.RUN, reopened.facts)


def _facts(bundle: Bundle, recipe: Recipe, model: PooledClassifier) -> dict[str, Any]:
    card = bundle.card
    films, seconds = _cost(card.training_runs)
    return {
        "recipe": recipe.name,
        "manifest_sha256": card.training_manifest_sha256,
        "code_revision": card.code_revision,
        "torch": ", ".join(dict.fromkeys(run.torch for run in card.training_runs if run.torch)) or None,
        "finished": True,
        "bundle": bundle.identity,
        "bundle_sha256": bundle.sha256,
        "films_seen": films,
        "seconds": seconds,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "started_from": None,
    }


def _cost(runs: Sequence[TrainingRun]) -> tuple[int, float]:
    """Films and seconds of runs, and of what they started from where that is none of them; each once."""
    here = {(run.recipe, (run.films_seen or 0) + (run.films_seen_before or 0)) for run in runs}
    before = {
        (run.started_from, run.films_seen_before): run.seconds_before or 0.0
        for run in runs
        if run.films_seen_before and (run.started_from, run.films_seen_before) not in here
    }
    films = sum(run.films_seen or 0 for run in runs) + sum(count or 0 for _, count in before)
    return films, round(sum(run.seconds or 0.0 for run in runs) + sum(before.values()), 3)


def _drawn(rows: Sequence[ManifestRow], recipe: Recipe, count: int) -> list[ManifestRow]:
    """Training films as an epoch of the recipe begins with them."""
    films = select_films(rows, "train", recipe.data)
    if len(films) == 0:
        sources = ", ".join(recipe.data.sources or ("any source",))
        raise DataError(
            f"the manifest holds no training film of {sources}: name the manifest that the bundle was "
            "trained on, or one that shares a source with it"
        )
    groups = groups_of(films.sources, films.targets, films.views, recipe.data.balance)
    present = None
    if recipe.data.source_weights is not None:
        present = {
            source: weight
            for source, weight in recipe.data.source_weights.items()
            if source in set(films.sources)
        }
    shares = group_shares(groups, recipe.data.balance, present)
    order = epoch_order(groups, shares, count, seed=recipe.seed, epoch=0)
    of_hash = {row.sha256: row for row in rows}
    return [of_hash[films.sha256[index]] for index in order]


def _fill(model: PooledClassifier, bundle: Bundle) -> None:
    """Put the exported weights into a network of the same architecture.

    Normalisations come out as plain shifts: mean 0, variance 1, scale 1.
    """
    model.eval()
    nn.init.normal_(model.head.bias)  # not zero, which other constants of the graph are
    exported = _arrays(bundle.onnx)
    probe = _arrays(to_onnx(model, _PROBE_SIZE))
    normalised = _normalised_by(model)
    state = model.state_dict()
    found: dict[str, Tensor] = {}
    for convolution, normalisation in normalised.items():
        layer = model.get_submodule(normalisation)
        assert isinstance(layer, nn.BatchNorm2d)
        shift = _array(exported, f"{_PREFIX}{convolution}.{_FOLDED_BIAS}", bundle)
        found[f"{convolution}.weight"] = _array(exported, f"{_PREFIX}{convolution}.weight", bundle)
        found[f"{normalisation}.weight"] = torch.ones_like(shift)
        found[f"{normalisation}.bias"] = shift
        found[f"{normalisation}.running_mean"] = torch.zeros_like(shift)
        found[f"{normalisation}.running_var"] = torch.full_like(shift, 1.0 - layer.eps)
        found[f"{normalisation}.num_batches_tracked"] = state[f"{normalisation}.num_batches_tracked"]
    found |= _head(model, probe, exported, bundle)
    for key in state.keys() - found.keys():
        found[key] = _array(exported, _PREFIX + key, bundle)
    wrong = [key for key, value in state.items() if found[key].shape != value.shape]
    if wrong:
        raise _unknown(bundle, wrong[0])
    model.load_state_dict(found, strict=True)


def _arrays(content: bytes) -> Arrays:
    """Initialisers of a graph by name."""
    graph = onnx.load_from_string(content).graph
    return {initialiser.name: numpy_helper.to_array(initialiser) for initialiser in graph.initializer}


def _array(arrays: Arrays, name: str, bundle: Bundle) -> Tensor:
    if name not in arrays:
        raise _unknown(bundle, name)
    return torch.from_numpy(arrays[name].copy())


def _unknown(bundle: Bundle, what: str) -> BundleError:
    return BundleError(
        f"{bundle.identity} cannot be trained on: its graph does not hold {what} as this version's exporter "
        "writes it; train from its runs, or from published weights"
    )


def _normalised_by(model: PooledClassifier) -> dict[str, str]:
    """Name of each convolution whose output goes into a batch normalisation, to the name of that."""
    made_by: dict[int, str] = {}
    kept: list[Tensor] = []  # so that no address is used twice
    pairs: dict[str, str] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            made_by[id(output)] = name
            kept.append(output)

        return hook

    def match(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if id(inputs[0]) in made_by:
                pairs[made_by[id(inputs[0])]] = name

        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(note(name)))
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(match(name)))
    with torch.inference_mode():
        model(torch.zeros((1, 1, _PROBE_SIZE, _PROBE_SIZE)))
    for handle in handles:
        handle.remove()
    return pairs


def _head(model: PooledClassifier, probe: Arrays, exported: Arrays, bundle: Bundle) -> dict[str, Tensor]:
    """Weights of the linear unit, which the exporter reshapes, cuts up and renames.

    Where they went is seen in `probe`, an export of `model` with weights of its own, which are random and so
    all different.
    """
    own = model.weight.detach().numpy()
    weight = torch.full_like(model.weight.detach(), torch.nan)
    bias = None
    for name, values in probe.items():
        flat = values.ravel()
        if values.dtype != np.float32 or name not in exported or not 0 < flat.size <= own.size:
            continue
        (starts,) = np.nonzero(own == flat[0])
        for start in starts.tolist():
            if np.array_equal(own[start : start + flat.size], flat):
                weight[start : start + flat.size] = torch.from_numpy(exported[name].ravel().copy())
        if flat.size == 1 and flat[0] == np.float32(model.bias.detach()):
            bias = torch.from_numpy(exported[name].reshape(1).copy())
    if bias is None or bool(weight.isnan().any()):
        raise _unknown(bundle, "head")
    return {"head.weight": weight[None], "head.bias": bias}


@torch.no_grad()
def _measure_normalisation(model: PooledClassifier, films: Tensor) -> None:
    """Give each normalisation the statistics of its input, and the scale and shift that undo them.

    Args:
        model: whose normalisations are plain shifts.
        films: (N, 1, S, S) float32.
    """
    sums: dict[nn.BatchNorm2d, tuple[Tensor, Tensor, int]] = {}

    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        values = inputs[0].double()  # (B, C, h, w)
        total, square, count = sums.get(module, (torch.zeros(()), torch.zeros(()), 0))
        sums[module] = (
            total + values.sum(dim=(0, 2, 3)),
            square + values.square().sum(dim=(0, 2, 3)),
            count + values.shape[0] * values.shape[2] * values.shape[3],
        )

    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [layer.register_forward_pre_hook(hook) for layer in layers]
    for start in range(0, len(films), _BATCH):
        model(films[start : start + _BATCH])
    for handle in handles:
        handle.remove()
    for layer, (total, square, count) in sums.items():
        mean = total / count
        variance = (square / count - mean.square()).clamp(min=1e-8)
        assert layer.running_mean is not None and layer.running_var is not None
        layer.bias.add_(mean.float())
        layer.weight.copy_((variance + layer.eps).sqrt().float())
        layer.running_mean.copy_(mean.float())
        layer.running_var.copy_(variance.float())
