"""Scoring on other machines: what must be equal there is sent along or checked before the first film."""

import os
import platform
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pneumoscope._version import __version__
from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.ray import map_in_ray
from pneumoscope.batch.scoring import FilmScorer, NumberedFilm, ScoredRecord, lost_film
from pneumoscope.batch.urls import is_url
from pneumoscope.batch.writing import cause_and_remedy
from pneumoscope.errors import PneumoscopeError, UsageError
from pneumoscope.runtime.bundle import Bundle
from pneumoscope.runtime.predictor import Predictor

__all__ = ["MakeRemoteScorer", "remote_scorer", "score_in_ray"]


def score_in_ray(
    bundle: Bundle,
    operating_point: str,
    guard: bool,
    films: Sequence[str],
    numbers: Sequence[NumberedFilm],
    folders: OutputFolders,
    workers: int | None,
) -> Generator[ScoredRecord, None, None]:
    """Score films on a Ray cluster, in their order.

    Args:
        bundle: scores.
        operating_point: name of one of the bundle's.
        guard: whether the bundle's guard is in use.
        films: all of the run.
        numbers: those to score, with their places among all.
        folders: for overlays and maps, made for `films`.
        workers: actors; None is what fits the cluster.

    Raises:
        PneumoscopeError: see `map_in_ray` and `MakeRemoteScorer`.
    """
    with remote_scorer(bundle, operating_point, guard, films, folders) as make:
        yield from map_in_ray(make, numbers, workers, lost_film)


class MakeRemoteScorer:
    """Makes a `FilmScorer` on another machine, with the bundle as the caller has verified it.

    Args:
        bundle: sent along, because a path may mean another one there, or none.
        operating_point: name of one of the bundle's.
        guard: whether the bundle's guard is in use.
        folders: for overlays and maps.
        seen: a film and the marks in all folders, which every machine must see, as absolute paths.
    """

    def __init__(
        self, bundle: Bundle, operating_point: str, guard: bool, folders: OutputFolders, seen: Sequence[Path]
    ) -> None:
        self._bundle = bundle
        self._operating_point = operating_point
        self._guard = guard
        self._folders = folders
        self._seen = tuple(seen)
        self._working_directory = Path.cwd()
        self._version = __version__

    def __call__(self) -> Callable[[NumberedFilm], ScoredRecord]:
        """Load the network.

        Raises:
            PneumoscopeError: this machine has another version of this package, or does not see the films or
                the folders.
        """
        if self._version != __version__:
            raise PneumoscopeError(
                f"the machine {platform.node()} has pneumoscope {__version__}, and this one {self._version}:"
                " install the same version on all machines"
            )
        for path in self._seen:
            if not path.exists():
                raise PneumoscopeError(
                    f"the machine {platform.node()} does not see what is in {path.parent}: keep films and"
                    " output folders where all machines see them at one path, or films in an object store"
                )
        try:
            # Films and folders may be named relative to it.
            os.chdir(self._working_directory)
        except OSError as error:
            raise PneumoscopeError(
                f"the machine {platform.node()} has no folder {self._working_directory} ({error.strerror}):"
                " run the command in a folder that all machines share"
            ) from error
        predictor = Predictor(self._bundle, operating_point=self._operating_point, guard=self._guard)
        return FilmScorer(predictor, self._folders)


@contextmanager
def remote_scorer(
    bundle: Bundle, operating_point: str, guard: bool, films: Sequence[str], folders: OutputFolders
) -> Iterator[MakeRemoteScorer]:
    """What to send to other machines; for as long as the block lasts, every output folder holds a mark.

    Args:
        bundle: scores.
        operating_point: name of one of the bundle's.
        guard: whether the bundle's guard is in use.
        films: of the run.
        folders: for overlays and maps.

    Raises:
        UsageError: a folder cannot be written to.
    """
    marks: list[Path] = []
    film = next((Path(path).absolute() for path in films if not is_url(path) and os.path.isfile(path)), None)  # noqa: PTH113
    try:
        for folder in folders.places:
            mark = folder.absolute() / f".{uuid.uuid4().hex}.mark"
            try:
                mark.touch()
            except OSError as error:
                raise UsageError(f"{folder} cannot be written to: {cause_and_remedy(error)}") from error
            marks.append(mark)
        yield MakeRemoteScorer(bundle, operating_point, guard, folders, [*([film] if film else []), *marks])
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
