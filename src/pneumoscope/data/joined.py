"""Several manifests as one: all rows, where each film lies, and that no film leaks from split to split."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from pneumoscope.data.manifest import ManifestRow, read_manifest
from pneumoscope.errors import DataError, UsageError

__all__ = ["JoinedManifests", "Roots", "join_manifests"]


class Roots:
    """Folders of several manifests that stand where one folder would: `roots / path` is the file of a film.

    >>> roots = Roots({"a.png": Path("hospital"), "films/b.png": Path("made")})
    >>> (roots / "films/b.png").as_posix()
    'made/films/b.png'

    Args:
        of: the folder that each row's path is relative to.
    """

    def __init__(self, of: Mapping[str, Path]) -> None:
        self._of = of

    def __truediv__(self, path: str) -> Path:
        return self._of[path] / path

    def __str__(self) -> str:
        return ", ".join(map(str, dict.fromkeys(self._of.values())))


@dataclass(frozen=True, slots=True)
class JoinedManifests:
    """Rows of all manifests, sorted by path as in a single one, and the folder or folders of their films."""

    rows: list[ManifestRow]
    root: Path | Roots


def join_manifests(manifests: Sequence[Path], roots: Sequence[Path]) -> JoinedManifests:
    """Read manifests that are used together.

    Args:
        manifests: files, or folders with a manifest.parquet.
        roots: for each manifest, the folder that its paths are relative to.

    Raises:
        UsageError: there are not as many roots as manifests.
        DataError: one cannot be read, two hold one path, or a patient or file of one stands in another split
            of another.
    """
    if len(manifests) != len(roots):
        raise UsageError(
            f"--manifest is given {len(manifests)} times and --root {len(roots)} times: "
            "give each manifest its root, in the same order"
        )
    parts = [read_manifest(manifest) for manifest in manifests]
    if len(parts) == 1:
        return JoinedManifests(parts[0], roots[0])
    _check_paths(manifests, parts)
    _check_splits(manifests, parts)
    rows = sorted((row for part in parts for row in part), key=lambda row: row.path)
    return JoinedManifests(
        rows, Roots({row.path: root for part, root in zip(parts, roots, strict=True) for row in part})
    )


def _check_paths(manifests: Sequence[Path], parts: Sequence[Sequence[ManifestRow]]) -> None:
    held_by: dict[str, Path] = {}
    for manifest, part in zip(manifests, parts, strict=True):
        for row in part:
            if row.path in held_by:
                raise DataError(
                    f"{row.path} stands in {held_by[row.path]} and in {manifest}: paths must differ; "
                    "keep the films of one of them in a folder of another name and build its manifest again"
                )
            held_by[row.path] = manifest


def _check_splits(manifests: Sequence[Path], parts: Sequence[Sequence[ManifestRow]]) -> None:
    """Refuse a patient, or a file of an unknown patient, in one split here and in another there."""
    by_manifest = zip(manifests, map(_splits, parts), strict=True)
    for (one, held), (other, added) in combinations(by_manifest, 2):
        shared = held.keys() & added.keys()
        leaking = sorted((key for key in shared if len(held[key] | added[key]) > 1), reverse=True)
        if leaking:
            first = leaking[0]
            raise DataError(
                f"{len(leaking)} patients or files stand in different splits of {one} and {other}, such as "
                f"{first}: {' and '.join(sorted(held[first]))} in the one, "
                f"{' and '.join(sorted(added[first]))} in the other; make the second from the training films "
                "of the first, or build both as one pool"
            )


def _splits(rows: Iterable[ManifestRow]) -> dict[str, set[str]]:
    """Splits of every patient and every file in use."""
    splits = defaultdict(set)
    for row in rows:
        if row.split is not None:
            splits[f"file {row.sha256}"].add(row.split)
            if row.patient is not None:
                splits[f"patient {row.patient}"].add(row.split)
    return splits
