"""A bundle on disk: three files, a fourth where it has a guard, and their hashes, all verified.

`SHA256SUMS` has the format of the `sha256sum` tool, one line per file, sorted by name, so that
`sha256sum -c SHA256SUMS` says the same as `open_bundle`. Nothing is ever unpickled.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from pneumoscope.errors import BundleError
from pneumoscope.image.guard import Guard
from pneumoscope.runtime.card import FORMAT_VERSION, Card, OperatingPointName

__all__ = [
    "BUNDLE_FILES",
    "DEFAULT_BUNDLE",
    "GUARD_FILE",
    "Bundle",
    "find_bundle",
    "open_bundle",
    "shipped_bundles",
    "write_bundle",
]

DEFAULT_BUNDLE = "pneumoscope-lite0"
BUNDLE_FILES = ("README.md", "card.json", "model.onnx")
GUARD_FILE = "guard.json"
_SUMS = "SHA256SUMS"
_SUMS_LINE = re.compile(r"([0-9a-f]{64})  ([^/\\]+)")
_SHIPPED = Path(__file__).resolve().parents[1] / "bundles"


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A trained model whose files have been verified.

    Attributes:
        card: what it says about itself.
        directory: where it was read.
        sha256: hex digest of its `SHA256SUMS`, and so of every byte of it.
        onnx: the serialised network, as verified; a later change on disk does not reach it.
        guard: tells what is no frontal chest film, or None: then anything that can be read gets a number.
    """

    card: Card
    directory: Path
    sha256: str
    onnx: bytes = field(repr=False)
    guard: Guard | None = field(default=None, repr=False)

    @property
    def identity(self) -> str:
        """Name and version, as records carry them: a threshold belongs to exactly this."""
        return f"{self.card.name} {self.card.version}"


def shipped_bundles() -> dict[str, Path]:
    """Bundles that came with the package, name to directory, sorted by name."""
    return {path.parent.name: path.parent for path in sorted(_SHIPPED.glob(f"*/{_SUMS}"))}


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


def open_bundle(directory: str | Path) -> Bundle:
    """Read a bundle and verify every byte of it.

    Args:
        directory: holds model.onnx, card.json, README.md and SHA256SUMS, maybe guard.json, and nothing else.

    Raises:
        BundleError: a file is missing, superfluous or altered, the format version is another one, or the
            prepare parameters do not have the digest that the card states.
    """
    directory = Path(directory)
    try:
        present = {path.name for path in directory.iterdir()}
    except OSError as error:
        raise BundleError(f"{directory} cannot be read as a bundle: {error.strerror}") from error
    expected = {*BUNDLE_FILES, _SUMS, *({GUARD_FILE} & present)}
    for name in sorted(expected - present):
        raise BundleError(f"{directory / name} is missing: the bundle is incomplete, fetch it again")
    for name in sorted(present - expected):
        raise BundleError(
            f"{directory / name} does not belong to the bundle: remove it or fetch the bundle again"
        )
    contents = {name: _read(directory / name) for name in sorted(expected)}
    sums = contents.pop(_SUMS)
    _verify(directory, sums, contents)
    card = _parse_card(directory / "card.json", contents["card.json"])
    guard = _parse_guard(directory / GUARD_FILE, contents.get(GUARD_FILE))
    return Bundle(card, directory, hashlib.sha256(sums).hexdigest(), contents["model.onnx"], guard)


def write_bundle(
    directory: str | Path, onnx: bytes, card: Card, readme: str, guard: Guard | None = None
) -> None:
    """Write a bundle; an older one in the same directory is replaced.

    Args:
        directory: made where it does not exist.
        onnx: the serialised network.
        card: its card.
        readme: the model card as Markdown.
        guard: tells what is no frontal chest film; None makes a bundle without one.

    Raises:
        BundleError: the directory holds something else than a bundle, or the card contradicts itself.
    """
    directory = Path(directory)
    _check_card(directory / "card.json", card)
    directory.mkdir(parents=True, exist_ok=True)
    for path in sorted(directory.iterdir()):
        if path.name not in (*BUNDLE_FILES, GUARD_FILE, _SUMS):
            raise BundleError(f"{path} is no part of a bundle: write into an empty folder")
    contents = {
        "README.md": readme.encode(),
        "card.json": (card.model_dump_json(indent=2) + "\n").encode(),
        "model.onnx": onnx,
    }
    if guard is None:
        (directory / GUARD_FILE).unlink(missing_ok=True)
    else:
        contents[GUARD_FILE] = guard.to_json()
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    (directory / _SUMS).write_bytes(_render_sums(contents))


def _read(path: Path) -> bytes:
    try:
        if path.is_fifo() or path.is_char_device():  # reading these may never end
            raise BundleError(f"{path} is no regular file: fetch the bundle again")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error


def _render_sums(contents: dict[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    return "".join(lines).encode()


def _verify(directory: Path, sums: bytes, contents: dict[str, bytes]) -> None:
    """Compare every file with its line; the text of the lines must be exactly what `write_bundle` writes."""
    rendered = _render_sums(contents)
    if sums == rendered:
        return
    lines = [_SUMS_LINE.fullmatch(line) for line in sums.decode(errors="replace").splitlines()]
    stated = {line[2]: line[1] for line in lines if line is not None}
    if all(lines) and list(stated) == sorted(contents):
        for name, content in contents.items():
            if hashlib.sha256(content).hexdigest() != stated[name]:
                raise BundleError(
                    f"{directory / name} is not the file that {_SUMS} names: the bundle was altered or "
                    "damaged, fetch it again"
                )
    raise BundleError(
        f"{directory / _SUMS} is not a list of {', '.join(sorted(contents))} as sha256sum writes it: the "
        "bundle was altered or damaged, fetch it again"
    )


def _parse_card(path: Path, content: bytes) -> Card:
    try:
        raw = json.loads(content)
    except ValueError as error:
        raise BundleError(f"{path} is not JSON: {error}") from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path} has bundle format {version!r}, this version reads format {FORMAT_VERSION}: "
            "use the version of pneumoscope that the bundle was made for"
        )
    try:
        card = Card.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path} is no valid card: {where}: {first['msg']}") from error
    _check_card(path, card)
    return card


def _parse_guard(path: Path, content: bytes | None) -> Guard | None:
    try:
        return None if content is None else Guard.from_json(content)
    except ValueError as error:
        raise BundleError(f"{path} is no valid guard: {error}") from error


def _check_card(path: Path, card: Card) -> None:
    if card.prepare.sha256() != card.prepare_sha256:
        raise BundleError(
            f"{path} states another digest of its prepare parameters than they have: export it again"
        )
    missing = [name for name in get_args(OperatingPointName) if name not in card.operating_points]
    if missing:
        raise BundleError(f"{path} lacks the operating point {missing[0]!r}: export it again")
