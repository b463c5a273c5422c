"""The run that another one starts from, or learns from, instead of random or published weights."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pneumoscope.errors import DataError
from pneumoscope.training.checkpoint import RUN, WEIGHTS

__all__ = ["Start", "open_start"]


@dataclass(frozen=True, slots=True)
class Start:
    """Kept weights of a run, and what they cost.

    Attributes:
        weights: their file.
        recipe: name of the run's recipe.
        weights_sha256: of that file.
        manifest_sha256: of the films that it was trained on.
        films_seen: in its training, and in that of the run that it started from itself.
        seconds: of its training, likewise.
    """

    weights: Path
    recipe: str
    weights_sha256: str
    manifest_sha256: str
    films_seen: int
    seconds: float

    def facts(self) -> dict[str, Any]:
        """What run.json says of it."""
        return {key: value for key, value in asdict(self).items() if key != "weights"}


def open_start(directory: Path) -> Start:
    """Read what a run directory says of its weights.

    Raises:
        DataError: it holds no run of this version.
    """
    try:
        facts = json.loads((directory / RUN).read_text(encoding="utf-8"))
        weights = (directory / WEIGHTS).read_bytes()
        before = facts.get("started_from") or {}
        return Start(
            weights=directory / WEIGHTS,
            recipe=str(facts["recipe"]),
            weights_sha256=hashlib.sha256(weights).hexdigest(),
            manifest_sha256=str(facts["manifest_sha256"]),
            films_seen=int(facts["films_seen"]) + int(before.get("films_seen", 0)),
            seconds=round(float(facts["seconds"]) + float(before.get("seconds", 0.0)), 3),
        )
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be read ({error.strerror}): --start-from and --teacher want the "
            "directory of a run that pneumoscope train has written"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{directory / RUN}: was not written by this version of pneumoscope train ({error!r})"
        ) from error
