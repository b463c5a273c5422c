"""Finished networks whose judgement of each training film another network learns, beside the film's label.

A film's label says yes or no; several large networks say how much and where, of every film and of every
change of it, too. Source: Hinton, Vinyals & Dean 2015 (arXiv:1503.02531). Teachers that each left a fold of
the patients out judge the films of that fold: what they say is no memory of labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.errors import UsageError
from pneumoscope.image.prepare import PrepareParameters
from pneumoscope.models import PooledClassifier
from pneumoscope.training.folds import Fold
from pneumoscope.training.kept_network import kept_network
from pneumoscope.training.recipe import Recipe

__all__ = ["Judgement", "Teachers", "open_teachers"]

_SHARED = tuple(key for key in PrepareParameters.model_fields if key != "size")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What teachers say of a batch.

    Attributes:
        finding: (B,) float32 in [0, 1], probability of pneumonia.
        warm: (B, h, w) float32 in [0, 1], the map's cells as probabilities.
    """

    finding: Tensor
    warm: Tensor


class Teachers(nn.Module):
    """Networks of which the mean of logits, and of maps, counts, over those that judge a film.

    Args:
        networks: at least one.
        left_out: the fold that each left out of its training, and judges alone; None for a network that
            judges every film. Folds are of one deal, and each has a judge.

    Attributes:
        folds: into how many parts the patients were dealt; None where every network judges every film.
    """

    def __init__(
        self, networks: Sequence[PooledClassifier], left_out: Sequence[Fold | None] | None = None
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._left_out = [None] * len(networks) if left_out is None else list(left_out)
        self.folds = next((fold.of for fold in self._left_out if fold is not None), None)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def judge(self, inputs: Tensor, folds: Tensor | None = None) -> Judgement:
        """Judge films as the student sees them.

        Args:
            inputs: (B, 1, S, S) float32, augmented and normalised.
            folds: (B,) int64 on the CPU, of the films' patients, where networks left folds out.
        """
        told: list[tuple[Tensor, Tensor, Tensor]] = []  # films of the batch, their logits, their maps
        for network, fold in zip(self.networks, self._left_out, strict=True):
            assert isinstance(network, PooledClassifier)
            films = torch.arange(len(inputs))
            if fold is not None:
                assert folds is not None, "networks that left folds out need to know those of the films"
                films = films[folds == fold.number]
            if len(films) > 0:
                films = films.to(inputs.device)
                logit, cam = network.forward_with_map(inputs if fold is None else inputs[films])
                told.append((films, logit.float(), cam.float()[:, None]))
        finest = max(cam.shape[2:] for _, _, cam in told)
        judges = inputs.new_zeros(len(inputs))
        logits, cells = inputs.new_zeros(len(inputs)), inputs.new_zeros(len(inputs), *finest)
        for films, logit, cam in told:
            fine = functional.interpolate(cam, size=finest, mode="bilinear", align_corners=False)[:, 0]
            judges.index_add_(0, films, torch.ones_like(logit))
            logits.index_add_(0, films, logit)
            cells.index_add_(0, films, fine)  # (B, h, w)
        return Judgement((logits / judges).sigmoid(), (cells / judges[:, None, None]).sigmoid())


def open_teachers(directories: Sequence[Path], recipe: Recipe) -> Teachers | None:
    """Networks that runs kept, as teachers of another run.

    Args:
        directories: of the runs.
        recipe: of the run that learns from them.

    Returns:
        The teachers, None where there are none.

    Raises:
        UsageError: teachers without a share in the recipe, or the other way round, or a teacher whose films
            were prepared in another way, whose labels meant something else, or whose map was never taught
            to be one of probabilities, or teachers that left folds out, and not one for each fold.
        DataError: a directory holds no run.
        RecipeError: its recipe is of another version.
        WeightsError: its weights are missing, damaged or of another network.
    """
    share = recipe.loss.teacher_share
    if bool(directories) != (share > 0):
        raise UsageError(
            f"{recipe.name}: loss.teacher_share is {share}, and {len(directories)} --teacher are named: "
            "a recipe with a share wants teachers, and teachers want a share"
        )
    networks, left_out = [], []
    for directory in directories:
        theirs, network = kept_network(directory)
        for key in _SHARED:
            own, other = getattr(recipe.prepare, key), getattr(theirs.prepare, key)
            if own != other:
                raise UsageError(
                    f"{directory}: cannot teach {recipe.name}: its films are prepared in another way "
                    f"(prepare.{key} is {other}, not {own})"
                )
        if theirs.data.targets != recipe.data.targets:
            raise UsageError(
                f"{directory}: cannot teach {recipe.name}: its data.targets are {theirs.data.targets}, "
                f"not {recipe.data.targets}"
            )
        if recipe.loss.map_weight > 0 and theirs.loss.map_weight == 0:
            raise UsageError(
                f"{directory}: cannot teach {recipe.name} its map: its own was never trained "
                "(loss.map_weight is 0), so that cells of it are no probabilities"
            )
        networks.append(network)
        left_out.append(theirs.data.left_out_fold)
    if not networks:
        return None
    _check_folds(recipe, left_out)
    return Teachers(networks, left_out)


def _check_folds(recipe: Recipe, left_out: Sequence[Fold | None]) -> None:
    """Refuse folds of which films would be without a judge, or of two deals."""
    folds = [fold for fold in left_out if fold is not None]
    if not folds:
        return
    deals = sorted({fold.of for fold in folds})
    missing = sorted(set(range(deals[0])) - {fold.number for fold in folds})
    if len(deals) > 1 or (missing and None not in left_out):
        have = ", ".join(f"{fold.number} of {fold.of}" for fold in folds)
        raise UsageError(
            f"{recipe.name}: its teachers left out the folds {have}: each fold of one deal wants a teacher "
            "that left it out (data.left_out_fold)"
        )
    if recipe.loss.mixup_alpha > 0:
        raise UsageError(
            f"{recipe.name}: loss.mixup_alpha mixes films of two patients, which no teacher that left out a "
            "fold of patients can judge; set it to 0"
        )
