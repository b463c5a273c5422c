"""`pneumoscope data guard`: fit what refuses images that are no frontal chest films."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoscope.cli.options import BuiltManifestOption, BuiltRootOption
from pneumoscope.cli.places import check_files, write_file

__all__ = ["guard"]

_REFUSED, _WARNED = 0.004, 0.02  # shares of the worst source's validation films


def guard(
    manifest: BuiltManifestOption,
    root: BuiltRootOption,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="guard.json, for `export --guard`.")],
    not_films: Annotated[
        Path | None,
        typer.Option(
            "--not-films", metavar="DIR", help="Images that are no chest films, one folder per family."
        ),
    ] = None,
    each: Annotated[int, typer.Option("--each", min=1, help="Generated images of each kind.")] = 500,
    seed: Annotated[int, typer.Option("--seed", help="Of choices, changes and first weights.")] = 0,
) -> None:
    """Fit the guard on the training films; its thresholds come from the validation films."""
    import numpy as np

    from pneumoscope.data.guard_examples import ExampleCounts, make_examples
    from pneumoscope.data.guard_fit import fit_guard, set_thresholds
    from pneumoscope.data.guard_population import measure_population
    from pneumoscope.data.manifest import manifest_sha256, read_manifest

    check_files(out)
    rows = read_manifest(manifest)
    generator = np.random.default_rng(seed)
    counts = ExampleCounts(spoiled=each, drawn=each)
    examples = make_examples(rows, root, not_films, "train", counts, generator)
    others = ExampleCounts(sent=0, spoiled=0, drawn=0, cut=0)
    held_out = make_examples(rows, root, None, "validation", others, generator)
    fitted = fit_guard(
        examples,
        generator,
        manifest_sha256=manifest_sha256(rows),
        population=measure_population(rows, root, generator),
    )
    fitted = set_thresholds(fitted, held_out, refused=_REFUSED, warned=_WARNED)
    content = fitted.to_json()
    write_file(out, content)
    parameters = fitted.parameters
    typer.echo(
        f"{out}: {fitted.describe()}, {len(content) / 1e3:.0f} kB; refuses below "
        f"{parameters.refuse_below:.2f} logits, warns below {parameters.warn_below:.2f}"
    )
