"""What a data set declares about itself, and what it says of each of its files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pneumoscope.data.manifest import Label

__all__ = ["Claim", "Download", "Place", "Population", "Source"]

Population = Literal["paediatric", "adult", "mixed"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a data set lies and what was found there.

    Attributes:
        root: the folder that holds all data sets.
        folder: POSIX path of this data set relative to the root; "" where it is the root itself.
        files: POSIX paths relative to the folder, sorted.
    """

    root: Path
    folder: str
    files: Sequence[str]

    @property
    def directory(self) -> Path:
        """The data set's folder on this file system."""
        return self.root / self.folder

    def named(self, name: str) -> list[str]:
        """Files of this name, at any depth."""
        return [file for file in self.files if file.rpartition("/")[2] == name]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a data set says of one of its files.

    Attributes:
        film: False for a table, a mask or a note: accounted for, never decoded as a film.
        label: what the film shows; None where the data set does not say.
        patient: "namespace:number", None where unknown.
        view: view position, None where unknown.
        age: years, None where unknown.
        population: where it differs from the data set's own.
        boxes: JSON of boxes as in the manifest; None where nobody drew.
        official: the data set's own split of this film; None where it has none.
        reason: why the film cannot be used, or what the file is if it is no film.
    """

    film: bool = True
    label: Label | None = None
    patient: str | None = None
    view: str | None = None
    age: float | None = None
    population: Population | None = None
    boxes: str | None = None
    official: Literal["train", "test"] | None = None
    reason: str | None = None

    @classmethod
    def companion(cls, what: str) -> "Claim":
        """A file that belongs to the data set and is no film."""
        return cls(film=False, reason=what)


@dataclass(frozen=True, slots=True)
class Download:
    """One file that anybody can download.

    Attributes:
        url: where it lies.
        name: the name it gets here.
        sha256: its hash; None where its publisher gives none and replaces the file at times.
        bytes: its size, None where unknown.
    """

    url: str
    name: str
    sha256: str | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One data set.

    Attributes:
        name: short, as in the manifest; also the folder's default name under the root.
        title: as its authors call it.
        layout: where its films lie, relative to its folder, as a person would write it down.
        labels: its own words for a finding to ours.
        label_origin: who or what decided, and how far to trust it.
        patient_key: how films of one person are known.
        population: of the set as a whole.
        licence: and what it means for weights trained on it.
        citation: one line.
        url: its home page.
        claim: yields (file, claim) for every file it knows in a place; others are reported as strangers.
        caveat: what figures on it may hide, in a sentence for the card of every model that uses it.
        held_out: all its films, and all films of the same people elsewhere, are for testing only.
        aspect_kept: its files have the film's true shape.
        primary: it is where its films come from, not a collection of other sets.
        downloads: what can be fetched without an account.
        account: what to do where one is needed.
    """

    name: str
    title: str
    layout: tuple[str, ...]
    labels: Mapping[str, Label]
    label_origin: str
    patient_key: str
    population: Population
    licence: str
    citation: str
    url: str
    claim: Callable[[Place], Iterator[tuple[str, Claim]]]
    caveat: str = ""
    held_out: bool = False
    aspect_kept: bool = True
    primary: bool = True
    downloads: tuple[Download, ...] = ()
    account: str | None = None
