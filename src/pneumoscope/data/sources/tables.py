"""Tables that come with data sets."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from pneumoscope.errors import DataError

__all__ = ["boxes_json", "nih_patient", "plausible_age", "read_table"]

_OLDEST = 120.0


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a csv file with a header.

    Args:
        path: the file, UTF-8 with or without a byte order mark.
        columns: names that the header must hold.

    Raises:
        DataError: the file cannot be read as such a table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            header = reader.fieldnames or []
            missing = [column for column in columns if column not in header]
            if missing:
                raise DataError(
                    f"{path}: no column {', '.join(missing)}; it has {', '.join(header) or 'none'}"
                )
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a readable csv table ({error})") from error


def nih_patient(number: str) -> str:
    """The name of an NIH patient in the manifest; RSNA films are of the same people.

    >>> nih_patient("13")
    'nih:00000013'
    """
    return f"nih:{int(number):08d}"


def plausible_age(text: str | None) -> float | None:
    """Years, or None where the entry is empty, no number, or an age that nobody reaches.

    >>> plausible_age("56"), plausible_age("412"), plausible_age("")
    (56.0, None, None)
    """
    try:
        years = float(text or "")
    except ValueError:
        return None
    return years if 0.0 <= years <= _OLDEST else None


def boxes_json(boxes: Sequence[Sequence[float]]) -> str:
    """Boxes as the manifest keeps them: [x, y, w, h] fractions of the film, four decimals.

    >>> boxes_json([(0.5, 0.25, 0.125, 0.5)])
    '[[0.5,0.25,0.125,0.5]]'
    """
    return json.dumps([[round(float(value), 4) for value in box] for box in boxes], separators=(",", ":"))
