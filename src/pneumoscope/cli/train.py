"""`pneumoscope train`: a recipe and a manifest in, a run directory with trained weights out."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pneumoscope.cli.options import RootOption
from pneumoscope.cli.places import check_folder
from pneumoscope.errors import DataError

if TYPE_CHECKING:
    from pneumoscope.data.cache import PlateCache
    from pneumoscope.data.lung_masks import LungMasks
    from pneumoscope.data.manifest import ManifestRow
    from pneumoscope.image.read import FilmRoot
    from pneumoscope.training.distributed import Processes
    from pneumoscope.training.recipe import Recipe
    from pneumoscope.training.run_directory import Observer

__all__ = ["train"]


class _Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="What to compute.")],
    manifest: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="Which films: manifest.parquet of `pneumoscope data build`. May be repeated.",
        ),
    ],
    root: RootOption,
    audit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Warn of what `pneumoscope data audit` found.",
            show_default="audit.json beside the manifest, if there is one",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Prepared films, built where missing.", show_default="beside the manifest"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory of the run.", show_default="runs/NAME of the recipe"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out; start it if there is none.")
    ] = False,
    start_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_DIR",
            help="Start from the weights of another run of this network.",
            show_default="the recipe's: published or random ones",
        ),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN_DIR",
            help="A run whose network's judgement is learnt, too, at the recipe's loss.teacher_share. "
            "May be repeated.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a key of the recipe: --set stages.0.epochs=3"
        ),
    ] = None,
    device: Annotated[
        _Device, typer.Option(help="Where to compute; auto takes a graphics card if there is one.")
    ] = _Device.AUTO,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that prepare films.", show_default="one per core"),
    ] = None,
) -> None:
    """Train a network.

    Several processes: torchrun --nproc-per-node 2 --no-python pneumoscope train ...
    """
    from pneumoscope.data.joined import join_manifests
    from pneumoscope.data.manifest import manifest_sha256
    from pneumoscope.training.dataset import trained_rows
    from pneumoscope.training.distributed import process_group
    from pneumoscope.training.loop import train as run_training
    from pneumoscope.training.recipe import load_recipe
    from pneumoscope.training.run_directory import RunDirectory
    from pneumoscope.training.start import open_start
    from pneumoscope.training.teachers import open_teachers

    chosen = load_recipe(recipe, overrides or ())
    films = join_manifests(manifest, root)
    used = trained_rows(films.rows, chosen.data)
    _check_films(chosen, films.rows, used)
    check_folder(cache)
    digest = manifest_sha256(films.rows)
    beside = [path if path.is_dir() else path.parent for path in manifest]
    warnings = _audit_warnings(audit, beside, digest)
    start = None if start_from is None else open_start(start_from)
    taught_by = [open_start(directory) for directory in teacher or ()]
    for directory, told in zip([start_from, *(teacher or ())], [start, *taught_by], strict=True):
        if told is not None and told.manifest_sha256 != digest:
            warnings.append(
                f"{directory} was trained on another manifest: no patient of its training films may be among "
                "the validation and test films of this one"
            )
    teachers = open_teachers(teacher or (), chosen)
    with process_group(device.value) as processes:
        path = out or Path("runs") / chosen.name
        run_directory = RunDirectory(
            path, chosen, digest, processes, resume=resume, start=start, teachers=taught_by
        )
        caches = _caches(chosen, used, films.root, cache or beside[0] / "cache", processes, workers)
        lungs = _lungs(chosen, used, caches, cache or beside[0] / "cache", processes, workers)
        if processes.leads:
            _say_what_it_trains_on(chosen, used)
            for warning in warnings:
                print(f"warning: {warning}", file=sys.stderr)
        with _progress(shown=processes.leads and sys.stderr.isatty()) as observer:
            summary = run_training(
                chosen,
                used,
                caches,
                run_directory,
                processes,
                lungs=lungs,
                teachers=teachers,
                observer=observer,
            )
        if processes.leads:
            metric, epoch = summary["selected_metric"], summary["selected_epoch"]
            reached = "no validation AUC" if metric is None else f"validation AUC {metric:.4f}"
            print(f"{path}: epoch {epoch} kept, {reached}, {summary['seconds']:.0f} s of training")


def _check_films(recipe: "Recipe", rows: "list[ManifestRow]", used: "list[ManifestRow]") -> None:
    """Say what is missing where no film of the manifest is to be trained on."""
    if any(row.split == "train" for row in used):
        return
    data = recipe.data
    wanted = "any source" if data.sources is None else f"the sources {', '.join(data.sources)}"
    there = ", ".join(sorted({row.source for row in rows if row.split == "train"})) or "none at all"
    raise DataError(
        f"there is no film to train on: {recipe.name} asks for training films of {wanted} that are labelled "
        f"{' or '.join(data.targets)}, and the manifest has training films of {there}"
    )


def _caches(
    recipe: "Recipe",
    rows: "list[ManifestRow]",
    root: "FilmRoot",
    directory: Path,
    processes: "Processes",
    workers: int | None,
) -> "dict[int, PlateCache]":
    """Plates of every stage's size; rank 0 builds what is missing."""
    from pneumoscope.data.cache import PlateCache, build_cache, cache_name

    parameters = {prepare.size: prepare for prepare in map(recipe.stage_prepare, range(len(recipe.stages)))}
    if processes.leads:
        for prepare in parameters.values():
            build_cache(rows, root, prepare, directory / cache_name(prepare), workers=workers)
    processes.wait()
    return {size: PlateCache.open(directory / cache_name(prepare)) for size, prepare in parameters.items()}


def _lungs(
    recipe: "Recipe",
    rows: "list[ManifestRow]",
    caches: "dict[int, PlateCache]",
    directory: Path,
    processes: "Processes",
    workers: int | None,
) -> "LungMasks | None":
    """Lungs of the films to train on, where the recipe asks for them; rank 0 finds those that are missing."""
    if not recipe.needs_lungs:
        return None
    from pneumoscope.data.lung_masks import LungMasks, find_lungs

    cache = caches[min(caches)]
    shown = f"{cache.parameters.fit}-cut-frame" if cache.parameters.cut_frame else cache.parameters.fit
    path = directory / f"lungs-{shown}.npz"
    if processes.leads:
        find_lungs([row.sha256 for row in rows if row.split == "train"], cache, path, workers=workers)
    processes.wait()
    return LungMasks.open(path)


def _audit_warnings(audit: Path | None, beside: list[Path], manifest_sha256: str) -> list[str]:
    """What an audit of these films says against training on them; none where there is no audit.

    Args:
        audit: audit.json, or None for the first that lies beside a manifest, if possible of these very films.
        beside: folders of the manifests.
        manifest_sha256: of all their rows.
    """
    paths = [audit] if audit is not None else [folder / "audit.json" for folder in beside]
    there = [path for path in paths if audit is not None or path.is_file()]
    if not there:
        return []
    from pneumoscope.data.audit import audit_verdict

    try:
        verdicts = [(path, audit_verdict(path)) for path in there]
    except DataError as error:
        if audit is not None:
            raise
        return [str(error)]
    same = [(path, verdict) for path, verdict in verdicts if verdict.manifest_sha256 == manifest_sha256]
    if same:
        path, verdict = same[0]
        return [f"{path} is red: {words}" for words in verdict.red]
    path, verdict = verdicts[0]
    return [
        f"{path} is {verdict.colour}, but of other films than these manifests name; "
        "run: pneumoscope data audit, with the same --manifest and --root"
    ]


def _say_what_it_trains_on(recipe: "Recipe", rows: "list[ManifestRow]") -> None:
    counts = {
        (split, target): sum(
            row.split == split and recipe.data.targets[str(row.label)] == target for row in rows
        )
        for split in ("train", "validation")
        for target in (0, 1)
    }
    print(
        f"{recipe.name}: {counts['train', 0]} + {counts['train', 1]} films to train on, "
        f"{counts['validation', 0]} + {counts['validation', 1]} to validate on (target 0 + 1)",
        file=sys.stderr,
    )
    held_out = Counter(
        (row.source, recipe.data.targets[str(row.label)]) for row in rows if row.split == "validation"
    )
    least = recipe.selection.minimum_films
    if recipe.selection.average == "mean-over-sources":
        wanted = f"a source with {least} validation films of each target"
        there = any(min(held_out[source, 0], held_out[source, 1]) >= least for source, _ in list(held_out))
    else:
        wanted = "validation films of both targets"
        there = bool(counts["validation", 0] and counts["validation", 1])
    if not there:
        print(
            f"warning: {wanted} would be needed: there is no AUC to choose an epoch "
            "by; the last one's weights are kept, and nothing stops early",
            file=sys.stderr,
        )


@contextmanager
def _progress(*, shown: bool) -> "Iterator[Observer | None]":
    """A bar with the time left on standard error, or nothing."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[latest]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=None, latest="")

        def observe(done: int, planned: int, record: Mapping[str, Any] | None) -> None:
            progress.update(task, completed=done, total=planned)
            if record is not None:
                progress.update(task, latest=_latest(record))

        observer: Callable[[int, int, Mapping[str, Any] | None], None] = observe
        yield observer


def _latest(record: Mapping[str, Any]) -> str:
    if record["kind"] == "step":
        return f"loss {record['loss']:.4f}  {record['films_per_second']:.0f} films/s"
    validation = record["validation"]
    auc = None if validation is None else validation["auc"]
    return f"epoch {record['epoch']}: " + ("no validation" if auc is None else f"validation AUC {auc:.4f}")
