"""From folders as downloaded to a manifest: every file found, what it is, and what became of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pneumoscope.data import fates
from pneumoscope.data.duplicates import Match, best_copy, duplicate_sets, find_matches
from pneumoscope.data.film import PoolFilm
from pneumoscope.data.manifest import ManifestRow
from pneumoscope.data.scan import Progress, Seen, find_files, scan
from pneumoscope.data.sources import SOURCES, find_source
from pneumoscope.data.sources.contract import Claim, Place, Source
from pneumoscope.data.splits import SplitFilm, assign_splits, group_films
from pneumoscope.errors import DataError, UsageError

__all__ = ["MEMORY_NAME", "Pool", "build_rows", "place_sources", "settle"]

MEMORY_NAME = "seen.sqlite"
"""The file beside the manifest that remembers what was seen."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The result of a build.

    Attributes:
        rows: one per file found, by path.
        films: the readable films of all data sets, by path.
        matches: pairs of films that look alike; indices into `films`.
        folders: data set to its folder, of those that were found.
    """

    rows: tuple[ManifestRow, ...]
    films: tuple[PoolFilm, ...]
    matches: tuple[Match, ...]
    folders: Mapping[str, str]


def build_rows(
    root: Path,
    out: Path,
    *,
    folders: Mapping[str, str] | None = None,
    workers: int = 1,
    seed: int = 0,
    afresh: bool = False,
    progress: Progress | None = None,
) -> Pool:
    """Look at every file, find copies, join patients, and split.

    Args:
        root: the folder that holds the data sets.
        out: where the memory of seen files is kept; never searched for films.
        folders: data set to folder, POSIX relative to the root, where it is not the data set's own name.
        workers: processes that read files.
        seed: draws another split.
        afresh: look again at files seen before.
        progress: told how many files were looked at.

    Raises:
        DataError: the root, a table of a data set, or the memory cannot be read, or there is no file.
        UsageError: a data set or folder that was named does not exist.
    """
    paths = find_files(root, without=out)
    if not paths:
        raise DataError(f"{root}: there is no file in this folder")
    places = place_sources(root, paths, folders or {})
    claims = {path: (source, claim) for source, path, claim in _claims(root, places, paths)}
    seen = scan(root, paths, out / MEMORY_NAME, workers=workers, afresh=afresh, progress=progress)
    films = tuple(
        PoolFilm(*claims[record.path], record)
        for record in seen
        if record.path in claims and claims[record.path][1].film and record.status == "film"
    )
    matches = tuple(find_matches(films))
    settled = settle(films, matches, seed)
    homes = [(_folder_prefix(folder), name) for name, folder in places.items()]
    rows = tuple(settled.get(record.path) or _row_without_film(record, claims, homes) for record in seen)
    return Pool(rows, films, matches, places)


def place_sources(root: Path, paths: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """Where each data set lies.

    A data set lies in the folder of its own name unless another is given. Where one was given the root
    itself, no others are looked for; where none is found, the root is taken as a user's own folder.

    Args:
        root: the folder that holds all.
        paths: the files found, relative to the root.
        named: data set to folder, as the user gave them.

    Returns:
        Data set to folder, POSIX relative to the root, "" for the root itself.

    Raises:
        UsageError: a data set or folder that was named does not exist.
    """
    places: dict[str, str] = {}
    for name, folder in named.items():
        relative = "" if folder in ("", ".") else Path(folder).as_posix().rstrip("/")
        if not (root / relative).is_dir():
            raise UsageError(f"data set {find_source(name).name}: there is no folder {root / relative}")
        places[find_source(name).name] = relative
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    taken = set(places.values())
    if "" not in taken:
        for source in SOURCES:
            if source.name in tops and source.name not in places and source.name not in taken:
                places[source.name] = source.name
    return places or {"folder": ""}


def _claims(
    root: Path, places: Mapping[str, str], paths: Sequence[str]
) -> Iterator[tuple[Source, str, Claim]]:
    """What the data sets say of their files; a file belongs to the data set with the deepest folder."""
    homes = sorted(
        ((_folder_prefix(folder), name) for name, folder in places.items()), key=lambda home: -len(home[0])
    )
    files: dict[str, list[str]] = {name: [] for name in places}
    for path in paths:
        for prefix, name in homes:
            if path.startswith(prefix):
                files[name].append(path[len(prefix) :])
                break
    for name, folder in places.items():
        source = find_source(name)
        for file, claim in source.claim(Place(root, folder, files[name])):
            yield source, _folder_prefix(folder) + file, claim


def _folder_prefix(folder: str) -> str:
    return f"{folder}/" if folder else ""


def settle(films: Sequence[PoolFilm], matches: Sequence[Match], seed: int) -> dict[str, ManifestRow]:
    """Decide what becomes of every readable film.

    Args:
        films: all of them.
        matches: pairs of copies and look-alikes, as indices.
        seed: draws another split.

    Returns:
        Rows by path: with a split, or with the reason why there is none.
    """
    rows = [_row(film) for film in films]
    for members in duplicate_sets(len(films), matches):
        _settle_copies(films, members, rows)
    for index, film in enumerate(films):
        if rows[index].reason is None and (why := _why_unusable(film)):
            rows[index] = replace(rows[index], reason=why)
    candidates = [
        SplitFilm(
            key=film.path,
            stratum=f"{film.source.name}/{film.claim.label}",
            patient=film.claim.patient,
            used=row.reason is None,
            for_test_only=film.for_test_only,
            has_own_test=film.claim.official == "train",
        )
        for film, row in zip(films, rows, strict=True)
    ]
    groups = group_films(candidates, [(match.left, match.right) for match in matches])
    splits = assign_splits(candidates, groups, seed=seed)
    return {row.path: replace(row, split=split) for row, split in zip(rows, splits, strict=True)}


def _settle_copies(films: Sequence[PoolFilm], members: Sequence[int], rows: list[ManifestRow]) -> None:
    """Keep one of the copies of a film, or none where they contradict each other; official tests stay."""
    labels = sorted({str(films[index].claim.label) for index in members} - {"None", "UNCERTAIN"})
    kept = best_copy(films, members)
    for index in members:
        if films[index].official_test:
            continue
        if len(labels) > 1:
            detail = f"copies of this film are labelled {' and '.join(labels)}"
            rows[index] = replace(rows[index], reason=fates.reason(fates.CONFLICT, detail))
        elif index != kept:
            identical = films[index].seen.sha256 == films[kept].seen.sha256
            detail = f"{'the same bytes' if identical else 'the same film'} as {films[kept].path}"
            rows[index] = replace(
                rows[index], duplicate_of=films[kept].path, reason=fates.reason(fates.COPY, detail)
            )


def _why_unusable(film: PoolFilm) -> str | None:
    """Why a film that is no copy cannot be used; None where it can."""
    if film.seen.phash is None:
        return fates.reason(fates.BLANK, "every pixel has nearly the same value")
    if film.claim.label is None:
        _, _, detail = (film.claim.reason or "").partition(": ")
        return fates.reason(fates.NO_LABEL, detail or film.claim.reason or "the data set gives none")
    if film.claim.label == "UNCERTAIN":
        return fates.reason(fates.UNCERTAIN, film.source.label_origin)
    return None


def _row(film: PoolFilm) -> ManifestRow:
    """The row of a readable film before its fate is known."""
    seen, claim = film.seen, film.claim
    return replace(
        _row_of_file(seen, film.source.name),
        label=claim.label,
        patient=claim.patient,
        view=claim.view or seen.view,
        age=claim.age if claim.age is not None else seen.age,
        population=claim.population or film.source.population,
        boxes=claim.boxes,
    )


def _row_of_file(seen: Seen, source: str) -> ManifestRow:
    """What looking at a file told, whatever it is."""
    return ManifestRow(
        source=source,
        path=seen.path,
        sha256=seen.sha256,
        bytes=seen.size,
        phash=seen.phash,
        format=seen.format,
        width=seen.width,
        height=seen.height,
    )


def _row_without_film(
    seen: Seen, claims: Mapping[str, tuple[Source, Claim]], homes: Sequence[tuple[str, str]]
) -> ManifestRow:
    """The row of a file that is no readable film of a data set, with why."""
    known = claims.get(seen.path)
    if known is None:
        inside = [name for prefix, name in homes if seen.path.startswith(prefix)]
        name = inside[-1] if inside else ""
        fate = fates.OUTSIDE_LAYOUT if inside else fates.NO_DATA_SET
        detail = (
            f"the layout of {name} has no film here" if inside else "the file lies in no data set's folder"
        )
        if seen.status in ("error", "rejected"):
            detail += f" (and: {seen.reason})"
    else:
        name = known[0].name
        if not known[1].film:
            fate, detail = fates.NOT_A_FILM, known[1].reason or "a file of the data set"
        elif seen.status == "other":
            fate, detail = fates.UNREADABLE, "neither the file's name nor its content is that of a film"
        else:
            fate = fates.REJECTED if seen.status == "rejected" else fates.UNREADABLE
            detail = seen.reason or ""
    return replace(
        _row_of_file(seen, name),
        label=known[1].label if known else None,
        patient=known[1].patient if known else None,
        reason=fates.reason(fate, detail),
    )
