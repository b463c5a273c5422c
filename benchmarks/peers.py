"""Score and evidence map of one film: ours beside eager PyTorch with the packages grad-cam and captum.

    python benchmarks/peers.py --run RUN --model NAME|DIR --lower LOWER --lower LOWER --films DIR \
        --out benchmarks/results/peers.json

RUN is the run that the bundle was made from; all of them, where it is their mean. Its weights run in PyTorch,
and the benchmark stops where the two disagree. --lower names bundles that `pneumoscope quantise` made of it.
Everything starts from the film as the network sees it and ends with the logit and a map on that plate's
pixels; batch 1, one thread, all on one core. In every round each film goes through all candidates in turn, in
an order that changes with the round.

The peers are used as their documentation shows: grad-cam gives map and score of one pass; with captum one
asks the network for the score and `LayerGradCam` for the map (`captum_one_pass` spares the first by keeping
what the second computes on its way). The origin is `improved_pneumonia_cnn` with grad-cam on its last block.
Without --films they are artificial; speed does not depend on it, the agreement of the maps is theirs.
`pip install 'pneumoscope[train,openvino,bench]'`.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from captum.attr import LayerAttribution, LayerGradCam
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from pneumoscope.batch.plan import plan_films
from pneumoscope.export import OPSET
from pneumoscope.image.prepare import Geometry, PrepareParameters, prepare
from pneumoscope.image.radiograph import Radiograph
from pneumoscope.image.read import read
from pneumoscope.models import PooledClassifier, build_model
from pneumoscope.release.trained_run import join_runs, open_run
from pneumoscope.runtime.bundle import Bundle, find_bundle, open_bundle
from pneumoscope.runtime.session import open_session

Plate = NDArray[np.float32]
Candidate = Callable[[Plate], tuple[float, Plate | None]]

LIBRARIES = ("torch", "grad-cam", "captum", "onnxruntime", "openvino", "numpy")
EXACT = ("fp32", "fp32-openvino")
OURS = (*EXACT, "int8", "bf16", "int8-bf16")
WANTED = {
    "map_costs": 1.10,
    "grad_cam_exact": 7.0,
    "captum_exact": 7.0,
    "grad_cam_best": 12.0,
    "captum_best": 12.0,
    "origin_best": 40.0,
}
AGREE = 1e-4


class OneUnit(nn.Module):
    """A network as the peers want it: (B, 1) instead of (B,); keeps what it gave last."""

    def __init__(self, model: PooledClassifier) -> None:
        super().__init__()
        self.model = model
        self.last = torch.empty(0)

    def forward(self, film: Tensor) -> Tensor:
        """(B, 1, S, S) to (B, 1) logits."""
        self.last = self.model(film)[:, None]
        return self.last


def ours(bundle: Bundle) -> Candidate:
    """The runtime: one pass, and the map brought to the plate's pixels."""
    session, size = open_session(bundle), bundle.card.prepare.size
    whole = Geometry((size, size), size, (0, 0, size, size), (0, 0, size, size))

    def run(plate: Plate) -> tuple[float, Plate]:
        logit, cam = session.run(["logit", "cam"], {"film": plate})
        return float(logit[0]), whole.to_film(cam[0])

    return run


def score_alone(model: PooledClassifier, size: int) -> Candidate:
    """The same network in onnxruntime without any map in its graph: pooling and a linear unit."""
    program = torch.onnx.export(
        model,
        (torch.zeros((2, 1, size, size)),),
        input_names=["film"],
        output_names=["logit"],
        dynamic_shapes={"film": {0: torch.export.Dim("batch")}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda plate: (float(session.run(["logit"], {"film": plate})[0][0]), None)


def eager(model: PooledClassifier) -> Candidate:
    def run(plate: Plate) -> tuple[float, None]:
        with torch.inference_mode():
            return float(model(torch.from_numpy(plate))[0]), None

    return run


def grad_cam(model: PooledClassifier, layer: nn.Module) -> Candidate:
    explain = GradCAM(model=OneUnit(model), target_layers=[layer])

    def run(plate: Plate) -> tuple[float, Plate]:
        cam = explain(input_tensor=torch.from_numpy(plate), targets=[ClassifierOutputTarget(0)])
        return float(explain.outputs[0, 0].detach()), cam[0]

    return run


def captum(model: PooledClassifier, size: int, *, one_pass: bool) -> Candidate:
    network = OneUnit(model)
    explain = LayerGradCam(network, model.features)

    def run(plate: Plate) -> tuple[float, Plate]:
        film = torch.from_numpy(plate)
        if not one_pass:
            with torch.inference_mode():
                score = float(model(film)[0])
        attribution = explain.attribute(film, target=0)
        if one_pass:
            score = float(network.last[0, 0].detach())
        cam = LayerAttribution.interpolate(attribution, (size, size), "bilinear")
        return score, cam[0, 0].detach().numpy()

    return run


def measure(
    candidates: dict[str, Candidate], plates: Sequence[Plate], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds per film of every candidate in every round: on the clock, and of the processor."""
    names = list(candidates)
    for name in names:
        for plate in plates[:2]:
            candidates[name](plate)
    clock: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        order = names[shift:] + names[:shift]
        passed: dict[str, list[float]] = {name: [] for name in names}
        worked: dict[str, list[float]] = {name: [] for name in names}
        for plate in plates:
            for name in order:
                begun, begun_work = time.perf_counter(), time.process_time()
                candidates[name](plate)
                worked[name].append(1000 * (time.process_time() - begun_work))
                passed[name].append(1000 * (time.perf_counter() - begun))
        for name in names:
            clock[name].append(statistics.median(passed[name]))
            processor[name].append(statistics.median(worked[name]))
    return clock, processor


def quotients(milliseconds: dict[str, list[float]]) -> dict[str, float]:
    """What is wanted, and more, each the median over the rounds of a quotient within a round."""

    def quotient(slow: str, fast: str) -> float:
        pairs = zip(milliseconds[slow], milliseconds[fast], strict=True)
        return statistics.median(one / other for one, other in pairs)

    present = [name for name in OURS if name in milliseconds]

    def fastest(names: Sequence[str]) -> str:
        return min(names, key=lambda name: statistics.median(milliseconds[name]))

    best, exact = fastest(present), fastest([name for name in EXACT if name in present])
    found = {"map_costs": quotient("fp32", "score_alone")}
    peers = ("eager", "grad_cam", "captum", "captum_one_pass", "origin")
    for peer in peers:
        for name in present:
            found[f"{peer}_{name}"] = quotient(peer, name)
        found[f"{peer}_exact"] = quotient(peer, exact)
        found[f"{peer}_best"] = quotient(peer, best)
    return found


def agreement(model: PooledClassifier, bundles: dict[str, Bundle], plates: Sequence[Plate]) -> dict[str, Any]:
    """How far our maps and scores lie from the peers', over all films.

    grad-cam's map has no unit: it is clipped at zero and stretched to 0..1 per film, and so is ours for the
    comparison. captum's is ours divided by the number of cells.
    """
    explain = GradCAM(model=OneUnit(model), target_layers=[model.features])
    layer = LayerGradCam(OneUnit(model), model.features)
    report: dict[str, Any] = {}
    for name, bundle in bundles.items():
        session, size = open_session(bundle), bundle.card.prepare.size
        worst = {"logit": 0.0, "grad_cam": 0.0, "captum": 0.0}
        hottest = 0
        for plate in plates:
            logit, cam = (value[0] for value in session.run(["logit", "cam"], {"film": plate}))
            film = torch.from_numpy(plate)
            theirs = explain(input_tensor=film, targets=[ClassifierOutputTarget(0)])[0]
            stretched = scale_cam_image(np.maximum(cam, 0)[np.newaxis], (size, size))[0]
            attributed = layer.attribute(film, target=0)[0, 0].detach().numpy() * cam.size
            worst["logit"] = max(worst["logit"], abs(float(logit) - float(explain.outputs[0, 0].detach())))
            worst["grad_cam"] = max(worst["grad_cam"], float(np.abs(stretched - theirs).max()))
            worst["captum"] = max(worst["captum"], float(np.abs(cam - attributed).max()))
            hottest += cam.argmax() == attributed.argmax()
        report[name] = {**worst, "same_hottest_cell": hottest / len(plates)}
    return report


def plates_of(paths: list[str] | None, count: int, parameters: PrepareParameters) -> list[Plate]:
    """(1, 1, S, S) float32 each."""
    if paths:
        with Path(os.devnull).open() as nothing:
            films = plan_films(paths, nothing).films
        chosen = [
            films[index]
            for index in np.linspace(0, len(films) - 1, min(count, len(films))).round().astype(int)
        ]
        return [prepare(read(film), parameters)[0][np.newaxis] for film in chosen]
    generator = np.random.default_rng(6)
    made = []
    for number in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (14, 18), dtype=np.uint8))
        shape = coarse.resize((640, 512), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(8))
        film = Radiograph(np.asarray(shape), f"made {number}", "ARRAY")
        made.append(prepare(film, parameters)[0][np.newaxis])
    return made


def processor_name() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text(encoding="utf-8").splitlines() if described.exists() else []
    return next(
        (line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.processor()
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, action="append", required=True, help="a run that the bundle was made from"
    )
    parser.add_argument("--model", help="a shipped bundle or the folder of one")
    parser.add_argument("--lower", action="append", default=[], help="a bundle of `pneumoscope quantise`")
    parser.add_argument("--films", nargs="+", help="files or folders")
    parser.add_argument("--count", type=int, default=8, help="films")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, help="JSON with every round")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    exact = open_bundle(find_bundle(options.model))
    bundles = {"fp32": exact}
    for name in options.lower:
        bundle = open_bundle(find_bundle(name))
        loss = bundle.card.lower_precision
        if loss is None or loss.made_from_sha256 != exact.sha256:
            parser.error(f"{name} was not made from {exact.identity}")
        bundles[loss.arithmetic] = bundle
    runs = [open_run(run) for run in options.run]
    model = join_runs(runs, average_weights="average" in exact.card.recipe).model
    origin = build_model("improved_pneumonia_cnn").eval()
    size = exact.card.prepare.size
    plates = plates_of(options.films, options.count, exact.card.prepare)
    agree = agreement(model, bundles, plates)
    if agree["fp32"]["logit"] > AGREE:
        parser.error(f"{', '.join(map(str, options.run))}: not the weights of {exact.identity}; name its own")
    candidates: dict[str, Candidate] = {
        "score_alone": score_alone(model, size),
        **{name: ours(bundle) for name, bundle in bundles.items()},
        "eager": eager(model),
        "grad_cam": grad_cam(model, model.features),
        "captum": captum(model, size, one_pass=False),
        "captum_one_pass": captum(model, size, one_pass=True),
        "origin_eager": eager(origin),
        "origin": grad_cam(origin, origin.features[-1]),
    }
    load = os.getloadavg()[0]
    clock, processor = measure(candidates, plates, options.rounds)
    median = {name: statistics.median(values) for name, values in clock.items()}
    worked = {name: statistics.median(values) for name, values in processor.items()}
    report = {
        "machine": f"{processor_name()}, one of {os.cpu_count()} cores, load {load:.1f}",
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "bundles": {name: bundle.identity for name, bundle in bundles.items()},
        "size": size,
        "films": len(plates),
        "real_films": bool(options.films),
        "rounds": options.rounds,
        "quiet": worked["fp32"] > 0.9 * median["fp32"],
        "median_ms": median,
        "median_processor_ms": worked,
        "quotients": quotients(clock),
        "processor_quotients": quotients(processor),
        "wanted": WANTED,
        "agreement": agree,
        "clock_ms": clock,
        "processor_ms": processor,
    }
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return say(report)


def say(report: dict[str, Any]) -> int:
    """Print the figures; 0 where all that is wanted was reached."""
    for name, value in report["median_ms"].items():
        print(f"{name:18} {value:8.2f} ms, of the processor {report['median_processor_ms'][name]:8.2f} ms")
    reached = report["quiet"]
    for name, limit in report["wanted"].items():
        found = report["quotients"][name]
        good = found <= limit if name == "map_costs" else found >= limit
        reached = reached and good
        by_work = report["processor_quotients"][name]
        print(f"{name:16} {found:6.2f} (by the processor's time {by_work:.2f}), wanted {limit:g}")
    for name, worst in report["agreement"].items():
        print(f"{name}: " + ", ".join(f"{key} {value:.2g}" for key, value in worst.items()))
    if not report["quiet"]:
        print("Other work ran on this machine: measure again on a quiet one.")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
