"""Measurements in one small file beside the page: runs and bundles get lost, scores of films need not."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pneumoscope.data.manifest import ManifestRow
from pneumoscope.errors import DataError
from pneumoscope.release.results.films import Measured
from pneumoscope.release.results.runs import RunRecord

__all__ = ["Kept", "KeptNetwork", "read_kept", "write_kept"]

_DIGITS = 9  # of a probability: more than single precision has


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeptNetwork(_Section):
    """One network on the films of the split.

    Attributes:
        model: name and version of the bundle.
        sha256: of the bundle.
        made_of: names of the runs that the bundle was made from.
        thresholds: on the calibrated probability, by operating point.
        probabilities: calibrated, of each of the file's films; None where it was not scored.
        failures: films that could not be scored.
        stress: what a page tells of changed films and of baselines; None where that was not measured.
        map: what a page tells of its evidence map, likewise.
    """

    model: str
    sha256: str
    made_of: tuple[str, ...]
    thresholds: dict[str, float]
    probabilities: tuple[float | None, ...]
    failures: int
    stress: dict[str, Any] | None = None
    map: dict[str, Any] | None = None


class Kept(_Section):
    """All networks that were measured on one split of one manifest, and the runs that they were made from.

    Attributes:
        version: of this form.
        manifest_sha256: of the manifest whose films were measured.
        split: of it.
        films: paths of the films, as the manifest has them.
        networks: by the name of their entry in the plan.
        runs: by the name of their entry in the plan.
    """

    version: Literal[1] = 1
    manifest_sha256: str
    split: str
    films: tuple[str, ...]
    networks: dict[str, KeptNetwork] = {}
    runs: dict[str, RunRecord] = {}

    @model_validator(mode="after")
    def _one_score_for_each_film(self) -> "Kept":
        for name, network in self.networks.items():
            if len(network.probabilities) != len(self.films):
                raise ValueError(f"{name} has {len(network.probabilities)} scores of {len(self.films)} films")
        return self

    def network(self, measured: Measured, made_of: tuple[str, ...], extras: Mapping[str, Any]) -> KeptNetwork:
        """What is kept of a network.

        Args:
            measured: on films that are all among these.
            made_of: names of its runs.
            extras: "stress" and "map", dicts or None.
        """
        scored = {
            row.path: float(f"{value:.{_DIGITS}g}")
            for row, value in zip(measured.rows, measured.probabilities.tolist(), strict=True)
        }
        return KeptNetwork(
            model=measured.model,
            sha256=measured.sha256,
            made_of=made_of,
            thresholds=measured.thresholds,
            probabilities=tuple(map(scored.get, self.films)),
            failures=measured.failures,
            stress=extras["stress"],
            map=extras["map"],
        )

    def measured(self, name: str, rows: Mapping[str, ManifestRow]) -> Measured:
        """The scores of a network, joined with the manifest again.

        Args:
            name: of its entry.
            rows: of the manifest that `manifest_sha256` is of, by path.
        """
        network = self.networks[name]
        pairs = zip(self.films, network.probabilities, strict=True)
        scored = [(rows[path], probability) for path, probability in pairs if probability is not None]
        return Measured(
            model=network.model,
            sha256=network.sha256,
            thresholds=dict(network.thresholds),
            rows=tuple(row for row, _ in scored),
            probabilities=np.array([probability for _, probability in scored], dtype=np.float64),
            failures=network.failures,
        )


def read_kept(path: Path, manifest_sha256: str, split: str) -> Kept | None:
    """Read what `write_kept` wrote; None where there is no such file yet.

    Args:
        path: of the file.
        manifest_sha256: of the films at hand.
        split: of them that is measured.

    Raises:
        DataError: it is damaged, of another version, or of other films.
    """
    if not path.exists():
        return None
    try:
        kept = Kept.model_validate(json.loads(gzip.decompress(path.read_bytes())))
    except (OSError, EOFError, ValueError, ValidationError) as error:
        what = str(error).splitlines()[0]
        raise DataError(
            f"{path} holds no measurements of this version ({what}): name another file, or restore it"
        ) from error
    if (kept.manifest_sha256, kept.split) != (manifest_sha256, split):
        raise DataError(
            f"{path} holds measurements of the {kept.split} split of another manifest "
            f"({kept.manifest_sha256[:12]}), not of the {split} split of {manifest_sha256[:12]}: name "
            "another file"
        )
    return kept


def write_kept(path: Path, kept: Kept) -> None:
    """Write it, the same bytes for the same content; an older file is replaced when all is written."""
    content = json.dumps(kept.model_dump(mode="json"), separators=(",", ":"), sort_keys=True)
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(gzip.compress(content.encode(), mtime=0))
    partial.replace(path)
