from pneumoscope.data.manifest import ManifestRow
from pneumoscope.data.sources import SOURCES
from pneumoscope.release.facts import intended_population, limitations, training_data
from pneumoscope.training.recipe import DataChoice

FACTS = {source.name: source for source in SOURCES}


def _row(number, source="kermany", label="NORMAL", split="train", **changes):
    values = {"population": "paediatric", "patient": f"p{number // 2}"} | changes
    return ManifestRow(source, f"{number}.png", "0" * 64, 1, label=label, split=split, **values)


ROWS = [
    _row(0),
    _row(1),
    _row(2, label="PNEUMONIA"),
    _row(3, label="UNCERTAIN"),
    _row(4, split="validation"),
    _row(5, split=None),
    _row(6, source="clinic", label="PNEUMONIA", population="adult", patient=None),
    _row(7, source="clinic", label="PNEUMONIA", population="adult", patient=None),
    _row(8, source="clinic", label="PNEUMONIA", split="test"),
]


def test_every_source_is_listed_with_its_licence():
    clinic, kermany = training_data(ROWS, DataChoice(), FACTS)
    assert (kermany["name"], kermany["films"], kermany["known patients"]) == ("kermany", 3, 2)
    assert (kermany["NORMAL"], kermany["PNEUMONIA"], kermany["population"]) == (2, 1, "paediatric")
    assert "CC BY 4.0" in kermany["licence"]
    assert "Kermany" in kermany["citation"]
    assert (kermany["films of unknown patients"], kermany["labels come from"]) == (
        0,
        FACTS["kermany"].label_origin,
    )
    assert (clinic["films"], clinic["known patients"], clinic["films of unknown patients"]) == (2, 0, 2)
    assert clinic["licence"] == "not declared"


def test_patients_who_were_left_out_are_not_counted():
    fold = DataChoice(left_out_fold={"of": 2, "number": 0})
    left_out = {row.path for row in ROWS if fold.left_out_fold.holds(row) and row.split == "train"}
    told = {entry["name"]: entry["films"] for entry in training_data(ROWS, fold, FACTS)}
    everyone = {entry["name"]: entry["films"] for entry in training_data(ROWS, DataChoice(), FACTS)}
    assert sum(told.values()) == sum(everyone.values()) - len(left_out - {"3.png"})  # its label is not used
    assert 0 < sum(told.values()) < sum(everyone.values())


def test_composed_films_keep_the_licence_of_what_they_are_made_of():
    rows = [_row(0, source="rsna-lungs-transplants"), _row(1, source="clinic-transplants")]
    clinic, rsna = training_data(rows, DataChoice(), FACTS)
    assert rsna["licence"] == FACTS["rsna-lungs"].licence
    assert rsna["citation"] == f"composed from films of rsna-lungs: {FACTS['rsna-lungs'].citation}"
    assert clinic["citation"] == "not declared"


def test_drawn_films_say_who_drew():
    rows = [_row(0, source="kermany-opacities", label="PNEUMONIA"), _row(1, source="kermany-opacities")]
    (drawn,) = training_data(rows, DataChoice(), FACTS)
    origin = FACTS["kermany"].label_origin
    assert drawn["labels come from"] == f"PNEUMONIA: a program drew the opacity; NORMAL: {origin}"
    assert drawn["citation"] == f"opacities drawn on films of kermany: {FACTS['kermany'].citation}"
    assert drawn["licence"] == FACTS["kermany"].licence
    told = [text for text in limitations(rows, DataChoice(), FACTS) if "drawn by a program" in text]
    assert len(told) == 1
    assert not any("drawn by" in text for text in limitations(ROWS, DataChoice(), FACTS))


def test_sources_that_were_left_out_are_not_listed():
    entries = training_data(ROWS, DataChoice(sources=("kermany",)), FACTS)
    assert [entry["name"] for entry in entries] == ["kermany"]


def test_the_population_is_counted():
    assert intended_population(ROWS, DataChoice()).startswith(
        "adult: 2 films of unknown patients; paediatric: 3 films of 2 patients."
    )


def test_composed_films_do_not_count_as_films_of_anybody():
    rows = [
        *ROWS,
        _row(9, source="kermany-transplants", patient="p0"),
        _row(10, source="kermany-transplants"),
    ]
    assert (
        "paediatric: 3 films of 2 patients, 2 films composed of others or drawn on."
        in intended_population(rows, DataChoice())
    )


def test_a_source_of_one_label_is_a_limitation():
    text = "\n".join(limitations(ROWS, DataChoice(), {}))
    assert "Every training film of clinic is PNEUMONIA" in text
    assert "Every training film of kermany" not in text
    assert "No film of clinic was left for validation." in text
    assert "not a medical device" in text


def test_two_labels_of_one_target_are_still_one():
    rows = [_row(0), _row(1, label="OTHER")]
    data = DataChoice(targets={"PNEUMONIA": 1, "NORMAL": 0, "OTHER": 0})
    assert any("kermany is NORMAL or OTHER" in sentence for sentence in limitations(rows, data, {}))


def test_what_figures_on_a_source_may_hide_is_a_limitation_once():
    rows = [*ROWS, _row(9, source="kermany-transplants")]
    found = limitations(rows, DataChoice(), FACTS, measured=["nih-chestxray14", "kermany", "clinic"])
    for name in ("kermany", "nih-chestxray14"):
        assert found.count(f"{name}: {FACTS[name].caveat}") == 1
    assert not any(sentence.startswith(("clinic:", "rsna-lungs:")) for sentence in found)
