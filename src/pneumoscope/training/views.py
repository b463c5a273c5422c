"""Views of whole films that nobody noted: told by a linear classifier on a published network's features.

Who is too ill to stand is filmed from the front (AP), and a network that takes the view for the finding fails
at every hospital whose habits differ. To balance views in training, or to look at a result within each, they
must be known; the collections of films that are easiest to get do not tell them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pneumoscope.data.cache import PlateCache, build_cache, cache_name
from pneumoscope.data.manifest import ManifestRow, check_sources
from pneumoscope.errors import DataError
from pneumoscope.image.prepare import PrepareParameters, normalise
from pneumoscope.models import build_model, pretrained_weights

__all__ = ["Views", "tell_views"]

_NETWORK = "efficientnet_lite0"
_WEIGHTS = pretrained_weights(_NETWORK)
assert _WEIGHTS is not None, "this network is published with weights"
_PREPARE = PrepareParameters(
    size=224,
    fit="stretch",  # collections differ in whether they kept the aspect ratio
    intensity="percentile",
    percentiles=(0.5, 99.5),
    mean=_WEIGHTS.mean,
    std=_WEIGHTS.std,
)
_BATCH = 64
_FOLDS = 5
_PENALTY = 0.01  # inverse strength: 1,280 features of a few thousand films
_VIEWS = ("PA", "AP")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Views:
    """What was found.

    Attributes:
        rows: of the manifest; `view` is filled where it could be told.
        scores: path -> logit of AP, of the films whose view was told.
        films: that the classifier learned from.
        auc: of telling AP from PA, over those films, each by a classifier that saw no film of its patient.
        accuracy: share of them told rightly, both views counting alike.
    """

    rows: list[ManifestRow]
    scores: dict[str, float]
    films: int
    auc: float
    accuracy: float


def tell_views(
    rows: Sequence[ManifestRow],
    root: Path,
    cache: Path,
    *,
    sources: Sequence[str],
    workers: int | None = None,
    progress: Progress | None = None,
) -> Views:
    """Fill in the views of whole films.

    The classifier learns from the training films whose view is stated, or is that of every film of the same
    patient and label whose view is stated (RSNA's normal films exist whole, without a view, and cut, with
    one). It tells the view of all others, also of the patients it learned from: theirs may be other films.

    Args:
        rows: of a built manifest.
        root: that their paths are relative to.
        cache: folder for prepared films.
        sources: of whole films; others keep what they have, as a cut film, or a child's, looks different.
        workers: processes that read films, None for one per core.
        progress: told what is done, how many, of how many.

    Raises:
        UsageError: the manifest has no such source.
        DataError: too few views are known.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    check_sources(rows, sources)
    stated = _stated_views(rows)
    whole = [row for row in rows if row.source in sources and row.split is not None]
    views = [row.view or stated.get((row.patient, row.label)) for row in whole]
    learned = [index for index, row in enumerate(whole) if row.split == "train" and views[index] in _VIEWS]
    is_ap = np.asarray([views[index] == "AP" for index in learned])
    patients = [whole[index].patient or whole[index].path for index in learned]
    fewest = min((len({patients[i] for i in np.flatnonzero(is_ap == ap)}) for ap in (True, False)), default=0)
    if fewest < _FOLDS:
        raise DataError(
            f"the view is known of {len(learned)} training films of {', '.join(sources)}, {int(is_ap.sum())} "
            f"of them AP: at least {_FOLDS} patients of either view are needed to learn from"
        )
    reading = None if progress is None else lambda done, total: progress("reading films", done, total)
    directory = cache / cache_name(_PREPARE)
    plates = build_cache(whole, root, _PREPARE, directory, workers=workers, progress=reading)
    features = _features(whole, plates, progress)
    linear = LogisticRegression(C=_PENALTY, class_weight="balanced", max_iter=1000)
    classifier = make_pipeline(StandardScaler(), linear)
    held_out = cross_val_predict(
        classifier,
        features[learned],
        is_ap,
        groups=patients,
        cv=GroupKFold(_FOLDS),
        method="decision_function",
    )
    scores = classifier.fit(features[learned], is_ap).decision_function(features)
    told = {row.path: float(score) for row, score in zip(whole, scores, strict=True) if row.view is None}
    return Views(
        rows=[
            replace(row, view="AP" if told[row.path] > 0 else "PA") if row.path in told else row
            for row in rows
        ],
        scores=told,
        films=len(learned),
        auc=float(roc_auc_score(is_ap, held_out)),
        accuracy=float(balanced_accuracy_score(is_ap, held_out > 0)),
    )


def _stated_views(rows: Sequence[ManifestRow]) -> dict[tuple[str | None, str | None], str]:
    """(patient, label) -> view, where every film whose view is stated has the same."""
    stated: dict[tuple[str | None, str | None], set[str]] = {}
    for row in rows:
        if row.patient is not None and row.view is not None:
            stated.setdefault((row.patient, row.label), set()).add(row.view)
    return {who: next(iter(views)) for who, views in stated.items() if len(views) == 1}


def _features(
    rows: Sequence[ManifestRow], plates: PlateCache, progress: Progress | None
) -> NDArray[np.float32]:
    """(N, 1280) float32: the published network's last features, averaged over the film."""
    network = build_model(_NETWORK, pretrained=True).eval().to(memory_format=torch.channels_last)
    described = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        chosen = np.stack([plates.plates[plates.index_of(row.sha256)] for row in some])
        films = torch.from_numpy(normalise(chosen, _PREPARE))
        with torch.inference_mode():
            maps = network.features(films.contiguous(memory_format=torch.channels_last))
        described.append(maps.mean((2, 3)).numpy())
        if progress is not None:
            progress("describing films", start + len(some), len(rows))
    return np.concatenate(described)
