"""What bundles in lower precision lose against the exact one, on real films that all of them score.

    python benchmarks/precision.py --model NAME|DIR --lower INT8 --lower BF16 --split test \
        --manifest manifest.parquet --root DIR --source kermany --source rsna-lungs \
        --out benchmarks/results/precision.json

--lower names bundles that `pneumoscope quantise` made of the exact one; what the validation films say of them
is on their cards already. --manifest, --root and --source may be repeated. Labels count as in the exact one's
training. The exit status is 0 where at least one of them changes AUC by at most 0.001 on every source, and no
finding of a film whose exact probability is farther than 0.05 from the threshold.
"""

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pneumoscope.data.joined import join_manifests
from pneumoscope.evaluation.films import manifest_films
from pneumoscope.evaluation.precision import measure_loss
from pneumoscope.evaluation.scoring import score_films
from pneumoscope.release.lower_precision import trained_on
from pneumoscope.runtime.bundle import find_bundle, open_bundle
from pneumoscope.runtime.predictor import Predictor

MOST_AUC, MARGIN = 0.001, 0.05


def kept(loss: dict[str, Any]) -> bool:
    """Whether it kept what it had to keep."""
    return max(map(abs, loss["auc_change"].values())) <= MOST_AUC and loss["margin"] <= MARGIN


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a shipped bundle or the folder of one")
    parser.add_argument("--lower", action="append", required=True, help="a bundle made from it")
    parser.add_argument("--manifest", type=Path, action="append", required=True)
    parser.add_argument("--root", type=Path, action="append", required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--source", action="append", help="only these")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args()

    exact = open_bundle(find_bundle(options.model))
    joined = join_manifests(options.manifest, options.root)
    data = trained_on(exact)
    films = manifest_films(
        joined.rows,
        joined.root,
        options.split,
        sources=options.source or data.sources,
        targets=data.targets,
    )
    split = f"{options.split} of {', '.join(sorted({film.source for film in films}))}"
    scores = score_films(Predictor(exact, guard=False), films, workers=options.workers)
    losses: dict[str, Any] = {}
    for name in options.lower:
        bundle = open_bundle(find_bundle(name))
        stated = bundle.card.lower_precision
        if stated is None or stated.made_from_sha256 != exact.sha256:
            parser.error(f"{name} was not made from {exact.identity}")
        lower = score_films(Predictor(bundle, guard=False), films, workers=options.workers)
        loss = measure_loss(
            scores,
            lower,
            exact.card,
            split=split,
            stated=stated.model_dump(
                include={"arithmetic", "made_from", "made_from_sha256", "calibrated_on"}
            ),
        ).model_dump()
        losses[bundle.card.arithmetic] = {**loss, "bundle": bundle.identity, "kept": kept(loss)}
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "libraries": {name: version(name) for name in ("onnxruntime", "openvino")},
        "exact": exact.identity,
        "split": split,
        "films": len(scores),
        "not_scored": len(scores.failures),
        "wanted": {"auc_change": MOST_AUC, "margin": MARGIN},
        "losses": losses,
    }
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(losses, indent=1))
    return 0 if any(loss["kept"] for loss in losses.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
