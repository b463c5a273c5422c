"""The public data sets that can be read as downloaded, one small file each."""

from pneumoscope.data.sources.contract import Claim, Download, Place, Source
from pneumoscope.data.sources.folder import FOLDER
from pneumoscope.data.sources.kermany import KERMANY, KERMANY_FULL_SIZE, KERMANY_ORIGINAL
from pneumoscope.data.sources.nih import NIH_CHESTXRAY14
from pneumoscope.data.sources.radiography import COVID19_RADIOGRAPHY
from pneumoscope.data.sources.rsna import LOOSE_DICOM, RSNA_CHALLENGE, RSNA_LUNGS
from pneumoscope.data.sources.segmentations import COVID19_SEGMENTATIONS
from pneumoscope.data.sources.tuberculosis import TUBERCULOSIS
from pneumoscope.errors import UsageError

__all__ = ["SOURCES", "Claim", "Download", "Place", "Source", "find_source"]

SOURCES: tuple[Source, ...] = (
    KERMANY,
    KERMANY_ORIGINAL,
    KERMANY_FULL_SIZE,
    COVID19_RADIOGRAPHY,
    NIH_CHESTXRAY14,
    RSNA_CHALLENGE,
    RSNA_LUNGS,
    TUBERCULOSIS,
    COVID19_SEGMENTATIONS,
    LOOSE_DICOM,
    FOLDER,
)


def find_source(name: str) -> Source:
    """The data set of this name.

    Raises:
        UsageError: there is none; the message lists those that there are.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    raise UsageError(
        f"no data set is called {name!r}; there are {', '.join(source.name for source in SOURCES)}"
    )
