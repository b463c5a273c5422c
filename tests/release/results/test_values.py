from dataclasses import replace

from pneumoscope.release.results.values import films_of
from release.made_evaluation import make_rows


def test_films_are_counted_by_source_split_and_population():
    rows = make_rows(24)
    rows = [*rows[:-1], replace(rows[-1], split=None)]
    rows[0] = replace(rows[0], split="train", patient=None, population=None)
    table = films_of(rows)
    assert [(row["source"], row["split"], row["population"]) for row in table] == [
        ("east", "train", "unknown"),
        ("east", "test", "paediatric"),
        ("west", "test", "adult"),
    ]
    assert table[0]["films of unknown patients"] == 1
    assert (table[1]["PNEUMONIA"], table[1]["NORMAL"], table[1]["OTHER"]) == (3, 4, 4)
    assert table[1]["known patients"] == 6
    assert sum(row[label] for row in table for label in ("PNEUMONIA", "NORMAL", "OTHER")) == 23
