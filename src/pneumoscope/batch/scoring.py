"""What every engine does with one film: score it, write its files, and hand on its record."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pneumoscope.batch.outputs import OutputFolders
from pneumoscope.batch.urls import is_url, read_url
from pneumoscope.errors import BundleError, FilmError
from pneumoscope.runtime.bundle import Bundle, open_bundle
from pneumoscope.runtime.film import Failure, Film, Record
from pneumoscope.runtime.predictor import Predictor

if TYPE_CHECKING:
    from pneumoscope.batch.reports import ReportFolder

__all__ = ["FilmScorer", "MakeScorer", "NumberedFilm", "ScoredRecord", "lost_film"]

NumberedFilm = tuple[int, str]
"""Place of a film in the list of all films, and its path."""

ScoredRecord = tuple[int, Record, tuple[str, ...]]
"""Place of the film, its record, and its warnings."""


class FilmScorer:
    """Scores films and writes what belongs beside the records; may be shared by threads.

    Args:
        predictor: scores.
        folders: for overlays and maps, made for the list that the films' numbers count in.
        pages: for reports, made for the same list, or None.
    """

    def __init__(
        self, predictor: Predictor, folders: OutputFolders, pages: "ReportFolder | None" = None
    ) -> None:
        self._predictor = predictor
        self._folders = folders
        self._pages = pages

    def __call__(self, film: NumberedFilm) -> ScoredRecord:
        """Score one film; a bad one yields a record that says so.

        Raises:
            PneumoscopeError: its overlay, map or report cannot be written.
        """
        number, path = film
        result = self._attempt(path)
        if self._pages is not None:
            self._pages.write(number, result)
        if isinstance(result, Film):
            self._folders.write(number, result)
            return number, result.record(), result.warnings
        return number, result.record(), ()

    def _attempt(self, path: str) -> Film | Failure:
        """Score the film in a file or behind a URL."""
        if not is_url(path):
            return self._predictor.attempt(path)
        try:
            data = read_url(path)
        except FilmError as error:
            return Failure.of(error)
        return self._predictor.attempt(data, name=path)


class MakeScorer:
    """Makes a `FilmScorer` in another process, which reads the bundle itself and must find the same one.

    Args:
        bundle: as the caller has verified it.
        operating_point: name of one of the bundle's.
        folders: for overlays and maps.
        guard: False leaves the bundle's guard out.
    """

    def __init__(
        self, bundle: Bundle, operating_point: str, folders: OutputFolders, *, guard: bool = True
    ) -> None:
        # The network's bytes would have to pass to one process after the other; a path does not hold them up.
        self._directory = bundle.directory
        self._sha256 = bundle.sha256
        self._operating_point = operating_point
        self._folders = folders
        self._guard = guard

    def __call__(self) -> Callable[[NumberedFilm], ScoredRecord]:
        """Load the network.

        Raises:
            BundleError: it cannot be loaded, or is no longer the one that the caller saw.
        """
        bundle = open_bundle(self._directory)
        if bundle.sha256 != self._sha256:
            raise BundleError(
                f"{self._directory} has become another bundle since the films were begun: bring the former"
                " one back and run the same command again"
            )
        predictor = Predictor(bundle, operating_point=self._operating_point, guard=self._guard)
        return FilmScorer(predictor, self._folders)


def lost_film(film: NumberedFilm, ending: str) -> ScoredRecord:
    """Record of a film over which two processes have died.

    Args:
        film: which.
        ending: how the last one did, for example "signal SIGKILL".
    """
    number, path = film
    reason = (
        f"twice, the process that scored it ended ({ending}); the file may be damaged, or too large for the"
        " memory of this machine"
    )
    return number, Failure(path, "error", reason).record(), ()
