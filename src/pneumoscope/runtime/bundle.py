"""A bundle: the card, the guard and the network in files that have been verified. Nothing is unpickled."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from pneumoscope.errors import BundleError
from pneumoscope.image.guard import Guard
from pneumoscope.runtime.bundle_files import (
    BUNDLE_FILES,
    DEFAULT_BUNDLE,
    GUARD_FILE,
    SUMS_FILE,
    BundleFiles,
    find_bundle,
    read_files,
    render_sums,
    shipped_bundles,
)
from pneumoscope.runtime.card import FORMAT_VERSION, Card, OperatingPointName

__all__ = [
    "BUNDLE_FILES",
    "DEFAULT_BUNDLE",
    "GUARD_FILE",
    "Bundle",
    "check_place",
    "find_bundle",
    "open_bundle",
    "shipped_bundles",
    "understand",
    "write_bundle",
]


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


def open_bundle(directory: str | Path) -> Bundle:
    """Read a bundle and verify every byte of it.

    Args:
        directory: holds model.onnx, card.json, README.md and SHA256SUMS, maybe guard.json, and nothing else.

    Raises:
        BundleError: a file is missing, superfluous or altered, the format version is another one, or the
            prepare parameters do not have the digest that the card states.
    """
    return understand(read_files(directory))


def understand(files: BundleFiles) -> Bundle:
    """Make a bundle of files that have been verified.

    Raises:
        BundleError: the format version is another one, or the card or the guard contradicts itself.
    """
    directory, contents = files.directory, files.contents
    card = _parse_card(directory / "card.json", contents["card.json"])
    guard = _parse_guard(directory / GUARD_FILE, contents.get(GUARD_FILE))
    return Bundle(card, directory, files.sha256, contents["model.onnx"], guard)


def check_place(directory: str | Path) -> None:
    """Refuse a folder that a bundle cannot be written to, before the work that it takes.

    Raises:
        BundleError: it cannot be made, or holds something else than a bundle.
    """
    directory = Path(directory)
    there = next(place for place in (directory, *directory.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "may not be written to" if there.is_dir() else "is no folder"
        raise BundleError(f"{directory} cannot be made: {there} {what}; name another")
    for path in sorted(directory.iterdir()) if there == directory else ():
        if path.name not in (*BUNDLE_FILES, GUARD_FILE, SUMS_FILE):
            raise BundleError(f"{path} is no part of a bundle: write into an empty folder")


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
        BundleError: as `check_place`, or the card contradicts itself.
    """
    directory = Path(directory)
    _check_card(directory / "card.json", card)
    check_place(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"{directory} cannot be made ({error.strerror}): name another") from error
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
    (directory / SUMS_FILE).write_bytes(render_sums(contents))


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
