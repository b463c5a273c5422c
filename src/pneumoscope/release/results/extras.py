"""What evaluations tell beside their figures: stress tests, baselines that do not see, tests of the map."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pneumoscope.errors import DataError

__all__ = ["map_of", "stress_of"]


def stress_of(path: Path, sha256: str) -> dict[str, Any] | None:
    """What `pneumoscope evaluate --stress --baselines DIR --out` wrote; None where there is no such file.

    Args:
        path: of the JSON.
        sha256: of the bundle that figures are shown of.

    Raises:
        DataError: it is no JSON, of another form than this version writes, or of another bundle.
    """
    told = _of_bundle(path, sha256)
    return None if told is None else _picked(told, str(path), _stress)


def map_of(path: Path, sha256: str) -> dict[str, Any] | None:
    """What `pneumoscope evaluate-map --out` wrote of a bundle; None where there is no such file.

    Args:
        path: of the JSON.
        sha256: of the bundle that figures are shown of.

    Raises:
        DataError: as `stress_of`.
    """
    told = _of_bundle(path, sha256)
    return None if told is None else _picked(told, str(path), _map)


def _of_bundle(path: Path, sha256: str) -> Any:
    """A JSON object that names this bundle, None where there is no file."""
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(told, dict) or told.get("sha256") != sha256:
        raise DataError(f"{path} is of another bundle: measure again")
    return told


def _picked(told: Any, where: str, pick: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """What is wanted of a JSON object.

    Raises:
        DataError: it has another form than this version writes.
    """
    try:
        return pick(told)
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"{where} is not of this version ({error!r}): measure again") from error


def _stress(told: Any) -> dict[str, Any]:
    return {
        "negative": list(told["films_of"]["negative"]),
        "changes": [
            {
                **{key: row[key] for key in ("group", "title", "kind", "films")},
                "before": row["before"]["auc"],
                "after": row["after"]["auc"],
                "difference": None if row["difference"] is None else row["difference"]["difference"],
                "sure_before": row["before"]["distance"],
                "sure_after": row["after"]["distance"],
                "positive_before": row["before"]["findings"].get("balanced"),
                "positive_after": row["after"]["findings"].get("balanced"),
            }
            for row in told["stress"]
        ],
        "baselines": [
            {
                **{key: row[key] for key in ("group", "title", "films", "auc", "model")},
                "difference": row["difference"]["difference"],
            }
            for row in told["baselines"]
        ],
    }


def _map(told: Any) -> dict[str, Any]:
    randomised, methods = told["randomisation"], told["methods"]
    return {
        "groups": [
            {key: group[key] for key in ("group", "films", "patients", "metrics")} for group in told["groups"]
        ],
        "changes": [
            {key: change[key] for key in ("name", "displacement", "correlation")}
            for change in (*told["repeatability"]["changes"], told["repeatability"]["other_patients"])
            if change is not None
        ],
        "seeds": None if randomised is None else len(randomised["seeds"]),
        "seeds_failed": None if randomised is None else len(randomised["failed"]),
        "methods": []
        if methods is None
        else [
            {key: method[key] for key in ("title", "pointing", "average_precision")}
            for method in methods["methods"]
        ],
    }
