from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from generated import chest_like
from pneumoscope.errors import DataError, UsageError
from pneumoscope.evaluation.films import age_group, csv_films, folder_films, manifest_films


def _row(path, source="east", label="NORMAL", patient="p", split="test", **known):
    facts = {"view": None, "age": None, "population": None} | known
    return SimpleNamespace(path=path, source=source, label=label, patient=patient, split=split, **facts)


ROWS = [
    _row("a.png"),
    _row("b.png", label="PNEUMONIA", patient=None),
    _row("c.png", source="west", label="PNEUMONIA"),
    _row("d.png", source="west", label="OTHER", patient="q"),
    _row("e.png", label="UNCERTAIN"),
    _row("f.png", label=None),
    _row("g.png", split="train"),
    _row("h.png", split=None),
]


def test_a_split_holds_its_labelled_films_only():
    films = manifest_films(ROWS, Path("root"), "test")
    assert [(film.path, film.target, film.source) for film in films] == [
        (Path("root/a.png"), 0, "east"),
        (Path("root/b.png"), 1, "east"),
        (Path("root/c.png"), 1, "west"),
    ]
    assert films[0].patient == films[2].patient == "p"


def test_what_is_known_of_a_film_goes_with_it():
    rows = [_row("a.png", view="AP", age=17.9, population="paediatric"), _row("b.png")]
    first, second = manifest_films(rows, Path(), "test")
    assert (first.view, first.age_group, first.population) == ("AP", "5 to 17 years", "paediatric")
    assert (second.view, second.age_group, second.population) == ("", "", "")


@pytest.mark.parametrize(
    ("years", "group"),
    [
        (None, ""),
        (0.0, "0 to 4 years"),
        (4.99, "0 to 4 years"),
        (5.0, "5 to 17 years"),
        (18.0, "18 to 39 years"),
        (40.0, "40 to 64 years"),
        (65.0, "65 years and over"),
        (150.0, "65 years and over"),
    ],
)
def test_every_age_has_its_group(years, group):
    assert age_group(years) == group


def test_unknown_patients_are_each_their_own():
    rows = [_row("a.png", patient=None), _row("b.png", patient=None)]
    first, second = manifest_films(rows, Path(), "test")
    assert first.patient != second.patient


def test_other_labels_can_be_the_contrast():
    films = manifest_films(ROWS, Path(), "test", sources=["west"], targets={"PNEUMONIA": 1, "OTHER": 0})
    assert [film.target for film in films] == [1, 0]


def test_an_unknown_source_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match="'north': it has east, west"):
        manifest_films(ROWS, Path(), "test", sources=["north"])


def test_an_empty_split_is_refused():
    with pytest.raises(UsageError, match="'validation' of west holds no film"):
        manifest_films(ROWS, Path(), "validation", sources=["west"])


def _folder(place: Path) -> Path:
    for name in ("Normal/one.png", "pneumonia/deep/two.png", "pneumonia/three.PNG"):
        path = place / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chest_like(0, height=32, width=32)).save(path)
    (place / "films" / "pneumonia" / "notes.txt").write_text("no film")
    return place / "films"


def test_a_folder_gives_its_films_by_subfolder(tmp_path):
    films = folder_films(_folder(tmp_path))
    assert [(film.path.name, film.target, film.source) for film in films] == [
        ("one.png", 0, "films"),
        ("two.png", 1, "films"),
        ("three.PNG", 1, "films"),
    ]
    assert len({film.patient for film in films}) == 3


def test_folders_of_one_label_in_several_cases_belong_together(tmp_path):
    folder = _folder(tmp_path)
    (folder / "PNEUMONIA").mkdir(exist_ok=True)
    Image.fromarray(chest_like(1, height=32, width=32)).save(folder / "PNEUMONIA" / "four.png")
    assert sum(film.target for film in folder_films(folder)) == 3


def test_names_of_columns_may_be_written_otherwise(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("Path, Label ,Patient\na.png,NORMAL,p1\n")
    assert [(film.path.name, film.patient) for film in csv_films(table).films] == [("a.png", "p1")]


def test_every_label_of_a_table_is_counted(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("path,label\na.png,NORMAL\nb.png,Pnemonia\nc.png,pnemonia \n")
    films, labels = csv_films(table)
    assert [film.path.name for film in films] == ["a.png"]
    assert labels == {"NORMAL": 1, "PNEMONIA": 2}


def test_a_folder_without_a_label_is_refused(tmp_path):
    (tmp_path / "NORMAL").mkdir()
    with pytest.raises(UsageError, match="no subfolder PNEUMONIA"):
        folder_films(tmp_path)


def test_a_folder_without_films_is_refused(tmp_path):
    for label in ("NORMAL", "PNEUMONIA"):
        (tmp_path / label).mkdir()
    with pytest.raises(UsageError, match="holds no film"):
        folder_films(tmp_path)


def test_a_csv_gives_its_films_in_order(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(
        "\ufeffpath,label,patient,source,age\n"
        "a.png,pneumonia,p1,clinic,3\n"
        "/elsewhere/b.png,NORMAL,,,4\n"
        "c.png,other,p2,,5\n"
        '"d, e.png", NORMAL ,p1,,6\n',
        encoding="utf-8",
    )
    films = csv_films(table).films
    assert [(film.path, film.target, film.source) for film in films] == [
        (tmp_path / "a.png", 1, "clinic"),
        (Path("/elsewhere/b.png"), 0, "mine"),
        (tmp_path / "d, e.png", 0, "mine"),
    ]
    assert films[0].patient == films[2].patient == "p1" != films[1].patient


def test_a_csv_may_say_view_age_and_population(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("path,label,view,age,population\na.png,NORMAL,ap,63,Adult\nb.png,NORMAL,,,\n")
    first, second = csv_films(table).films
    assert (first.view, first.age_group, first.population) == ("AP", "40 to 64 years", "adult")
    assert (second.view, second.age_group, second.population) == ("", "", "")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "path,label,age\na.png,NORMAL,3\nb.png,NORMAL,old\n",
            DataError,
            "line 3: the age 'old' is no number",
        ),
        ("path,label,age\na.png,NORMAL,-3\n", DataError, "line 2: the age '-3' is no number of years"),
        ("path,label,age\na.png,NORMAL,inf\n", DataError, "the age 'inf' is no number"),
        ("path,finding\na.png,NORMAL\n", DataError, "no column 'label'"),
        ("", DataError, "no column 'label'"),
        ("path,label\na.png,NORMAL\nb.png\n", DataError, "line 3: path or label is empty"),
        ("path,label\na.png,OTHER\n", UsageError, "lists no film labelled NORMAL or PNEUMONIA"),
        (
            "path;label\na.png;NORMAL\n",
            DataError,
            r"no column 'label'.*\(its columns must be parted by commas",
        ),
        ("path,label\na.png,NORMAL\na.png,PNEUMONIA\n", DataError, "line 3: a.png is listed again"),
        ("path,label\n\xe9.png,NORMAL\n".encode("latin-1"), DataError, "no csv in UTF-8"),
        ("path,label\na.png,NORMAL\n".encode("utf-16"), DataError, "no csv in UTF-8"),
        ('path,label\n"a.png,NORMAL\n' + "x" * 200_000, DataError, "no csv in UTF-8"),
    ],
)
def test_a_csv_that_cannot_be_used_says_why(tmp_path, text, error, message):
    table = tmp_path / "mine.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(error, match=message):
        csv_films(table)
