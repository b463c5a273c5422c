"""The sample film, for commands that can do without a film of the user's."""

from pneumoscope.errors import MissingExtraError

__all__ = ["sample_film"]


def sample_film() -> str:
    """Path of the sample film.

    Raises:
        MissingExtraError: the package that holds it is not installed.
    """
    from pneumoscope.image.sample import sample_path

    path = sample_path()
    if path is None:
        raise MissingExtraError("pydicom-data", "sample")
    return str(path)
