"""The sample film of the package pydicom-data, where that is installed."""

from importlib.util import find_spec
from pathlib import Path

__all__ = ["sample_path"]

_SAMPLE = "RG1_UNCR.dcm"


def sample_path() -> Path | None:
    """Where pip put the sample film; nothing is imported and nothing downloaded. None where it is not."""
    package = find_spec("data_store")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "data" / _SAMPLE
    return path if path.is_file() else None
