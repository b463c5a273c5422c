"""The files of a bundle, found and verified: their bytes, and nothing of what they say.

`SHA256SUMS` has the format of the `sha256sum` tool, one line per file, sorted by name, so that
`sha256sum -c SHA256SUMS` says the same as `read_files`. Apart from `pneumoscope.runtime.bundle` because it is
quick to import: the network can be loaded while what understands the other files is being imported.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pneumoscope.errors import BundleError

__all__ = [
    "BUNDLE_FILES",
    "DEFAULT_BUNDLE",
    "GUARD_FILE",
    "SUMS_FILE",
    "BundleFiles",
    "find_bundle",
    "read_files",
    "render_sums",
    "shipped_bundles",
]

DEFAULT_BUNDLE = "pneumoscope-lite0"
BUNDLE_FILES = ("README.md", "card.json", "model.onnx")
GUARD_FILE = "guard.json"
SUMS_FILE = "SHA256SUMS"
_SUMS_LINE = re.compile(r"([0-9a-f]{64})  ([^/\\]+)")
_SHIPPED = Path(__file__).resolve().parents[1] / "bundles"


@dataclass(frozen=True, slots=True, eq=False)
class BundleFiles:
    """What a bundle's folder holds, every byte verified.

    Attributes:
        directory: where it was read.
        sha256: hex digest of its `SHA256SUMS`, and so of every byte of it.
        contents: of each file but `SHA256SUMS`, by name.
    """

    directory: Path
    sha256: str
    contents: Mapping[str, bytes] = field(repr=False)


def shipped_bundles() -> dict[str, Path]:
    """Bundles that came with the package, name to directory, sorted by name."""
    return {path.parent.name: path.parent for path in sorted(_SHIPPED.glob(f"*/{SUMS_FILE}"))}


def find_bundle(name_or_directory: str | Path | None = None) -> Path:
    """Directory of a bundle.

    Args:
        name_or_directory: name of a shipped bundle, or a directory; None is the shipped default. A name
            wins over a directory of that name in the working directory: write `./NAME` for the latter.

    Raises:
        BundleError: there is no such bundle.
    """
    shipped = shipped_bundles()
    wanted = DEFAULT_BUNDLE if name_or_directory is None else str(name_or_directory)
    if not isinstance(name_or_directory, Path) and wanted in shipped:
        return shipped[wanted]
    if name_or_directory is not None and os.path.isdir(wanted):  # noqa: PTH112 - Path.is_dir raises
        return Path(wanted)
    have = f"shipped are: {', '.join(shipped)}" if shipped else "none is shipped with this version"
    raise BundleError(f"there is no bundle {wanted!r}: name a shipped one or the folder of one ({have})")


def read_files(directory: str | Path) -> BundleFiles:
    """Read the files of a bundle and compare every byte with the hashes.

    Args:
        directory: holds model.onnx, card.json, README.md and SHA256SUMS, maybe guard.json, and nothing else.

    Raises:
        BundleError: a file is missing, superfluous or altered.
    """
    directory = Path(directory)
    try:
        present = {path.name for path in directory.iterdir()}
    except OSError as error:
        raise BundleError(f"{directory} cannot be read as a bundle: {error.strerror}") from error
    expected = {*BUNDLE_FILES, SUMS_FILE, *({GUARD_FILE} & present)}
    for name in sorted(expected - present):
        raise BundleError(f"{directory / name} is missing: the bundle is incomplete, fetch it again")
    for name in sorted(present - expected):
        raise BundleError(
            f"{directory / name} does not belong to the bundle: remove it or fetch the bundle again"
        )
    contents = {name: _read(directory / name) for name in sorted(expected)}
    sums = contents.pop(SUMS_FILE)
    _verify(directory, sums, contents)
    return BundleFiles(directory, hashlib.sha256(sums).hexdigest(), contents)


def render_sums(contents: Mapping[str, bytes]) -> bytes:
    """SHA256SUMS of these files, as the `sha256sum` tool writes it."""
    lines = (f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return "".join(lines).encode()


def _read(path: Path) -> bytes:
    try:
        if path.is_fifo() or path.is_char_device():  # reading these may never end
            raise BundleError(f"{path} is no regular file: fetch the bundle again")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error


def _verify(directory: Path, sums: bytes, contents: dict[str, bytes]) -> None:
    """Compare every file with its line; the text of the lines must be exactly what `write_bundle` writes."""
    rendered = render_sums(contents)
    if sums == rendered:
        return
    lines = [_SUMS_LINE.fullmatch(line) for line in sums.decode(errors="replace").splitlines()]
    stated = {line[2]: line[1] for line in lines if line is not None}
    if all(lines) and list(stated) == sorted(contents):
        for name, content in contents.items():
            if hashlib.sha256(content).hexdigest() != stated[name]:
                raise BundleError(
                    f"{directory / name} is not the file that {SUMS_FILE} names: the bundle was altered or "
                    "damaged, fetch it again"
                )
    raise BundleError(
        f"{directory / SUMS_FILE} is not a list of {', '.join(sorted(contents))} as sha256sum writes it: the "
        "bundle was altered or damaged, fetch it again"
    )
