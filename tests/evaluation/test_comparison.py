import numpy as np

from evaluation.tiny_films import tiny_bundle, tiny_films
from pneumoscope.evaluation.comparison import compare_scores
from pneumoscope.evaluation.intervals import delong_test, mcnemar
from pneumoscope.evaluation.scoring import score_films
from pneumoscope.runtime.predictor import Predictor


def test_bundles_are_compared_on_the_films_that_both_scored(tmp_path):
    bundle, films = tiny_bundle(tmp_path / "bundle"), tiny_films(tmp_path / "films")
    first = score_films(Predictor(bundle), films)
    films[0].path.write_text("no image")
    films[5].path.write_text("no image")
    second = score_films(Predictor(bundle), films)
    mixed = np.roll(second.probabilities, 1)
    object.__setattr__(second, "probabilities", mixed)
    pooled = compare_scores(first, {"balanced": 0.5}, second, {"balanced": 0.4})[0]
    common = [number for number in range(len(films)) if number not in (0, 5)]
    y, p = first.targets[common], first.probabilities[common]
    assert pooled.films == 22
    assert pooled.auc == delong_test(y, p, mixed, first.patients[common])
    assert pooled.mcnemar == {"balanced": mcnemar((p >= 0.5) == y, (mixed >= 0.4) == y)}
