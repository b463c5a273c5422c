"""Every data set declares what it is, completely, and every declaration is kept."""

import pytest

from pneumoscope.data.manifest import LABELS
from pneumoscope.data.sources import SOURCES, Source, find_source
from pneumoscope.errors import UsageError


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_declarations_are_complete(source: Source) -> None:
    for text in (
        source.name,
        source.title,
        source.label_origin,
        source.patient_key,
        source.licence,
        source.citation,
    ):
        assert text.strip() == text
        assert text
    assert source.layout
    assert set(source.labels.values()) <= set(LABELS)
    assert source.url.startswith("https://") or source.name == "folder"
    assert bool(source.downloads) != bool(source.account), "either it can be fetched or it says what to do"
    assert all(download.url.startswith("https://") for download in source.downloads)


def test_every_set_with_films_of_two_labels_says_what_figures_on_it_may_hide() -> None:
    silent = {source.name for source in SOURCES if not source.caveat and len(set(source.labels.values())) > 1}
    assert silent == {"rsna-challenge", "covid19-segmentations", "folder"}
    assert all(source.caveat.endswith(".") for source in SOURCES if source.caveat)


def test_names_are_unique_and_found() -> None:
    names = [source.name for source in SOURCES]
    assert len(set(names)) == len(names)
    assert all(find_source(name).name == name for name in names)
    with pytest.raises(UsageError, match="there are kermany,"):
        find_source("kermani")


def test_only_noisy_and_drawn_sets_are_held_out() -> None:
    assert {source.name for source in SOURCES if source.held_out} == {
        "nih-chestxray14",
        "covid19-segmentations",
    }
