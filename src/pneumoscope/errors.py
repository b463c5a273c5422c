"""Every error that Pneumoscope raises on purpose.

PneumoscopeError
├── UsageError              the caller asked for something that does not exist or cannot be combined
├── FilmError               one film; never stops the others
│   ├── UnreadableFilmError     the file cannot be read            -> record status "error"
│   └── RejectedFilmError       read, but not a film to be scored  -> record status "rejected"
├── BundleError             a bundle is missing, altered, or of another format
├── DataError               a dataset, manifest or cache is not what it should be
├── RecipeError             a training recipe is wrong
├── WeightsError            a network's weights are missing, altered, or another network's
├── ServiceError            a server of the HTTP interface refused, or did not answer
└── MissingExtraError       an optional dependency is not installed

The message says what is wrong, with which file, and what to do.
"""

__all__ = [
    "BundleError",
    "DataError",
    "FilmError",
    "MissingExtraError",
    "PneumoscopeError",
    "RecipeError",
    "RejectedFilmError",
    "ServiceError",
    "UnreadableFilmError",
    "UsageError",
    "WeightsError",
]


class PneumoscopeError(Exception):
    """Base of all errors below; its text is a sentence for the person at the keyboard."""


class UsageError(PneumoscopeError):
    """What was asked for does not exist or cannot be combined."""


class FilmError(PneumoscopeError):
    """One film gets no number.

    Args:
        source: how the caller named the film: a path, or "<bytes>", "<array>", "<image>".
        cause: what is wrong, without a full stop.
        remedy: what the user can do about it, without a full stop.
    """

    status: str = "error"

    def __init__(self, source: str, cause: str, remedy: str) -> None:
        super().__init__(source, cause, remedy)
        self.source = source
        self.cause = cause
        self.remedy = remedy

    @property
    def reason(self) -> str:
        """Cause and remedy, without the name of the film: what a record carries."""
        return f"{self.cause}; {self.remedy}"

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class UnreadableFilmError(FilmError):
    """The file is missing, empty, cut short, of an unknown format, or dangerous to decode."""

    status = "error"


class RejectedFilmError(FilmError):
    """The file is sound, but is no frontal chest radiograph that may be scored."""

    status = "rejected"


class BundleError(PneumoscopeError):
    """A bundle is missing, altered, incomplete, or written by another format version."""


class DataError(PneumoscopeError):
    """A dataset, manifest or cache is not what it should be."""


class RecipeError(PneumoscopeError):
    """A training recipe holds an unknown key or an impossible value."""


class WeightsError(PneumoscopeError):
    """The weights of a network are missing, altered, or of another network."""


class ServiceError(PneumoscopeError):
    """A server of the HTTP interface refused a request, or could not be reached.

    Args:
        reason: what is wrong, a sentence.
        status: HTTP status, or None where no answer came.
        error: the server's one word for it, or None.
    """

    def __init__(self, reason: str, status: int | None = None, error: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error


class MissingExtraError(PneumoscopeError):
    """An optional dependency is not installed.

    Args:
        package: what could not be imported.
        extra: the extra of this project that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'pneumoscope[{extra}]'")
