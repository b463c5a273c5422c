"""A few real films that everybody may have: the sample film of pydicom-data as JPEG."""

import sys
from io import BytesIO

import numpy as np
from PIL import Image

from pneumoscope.image.read import read
from pneumoscope.image.sample import sample_path

__all__ = ["sample_jpegs"]


def sample_jpegs(count: int) -> list[bytes]:
    """The film at its full size, each time a row shorter, so that no two files are alike."""
    sample = sample_path()
    if sample is None:
        sys.exit("The sample film is missing: pip install pydicom-data")
    grey = (read(sample).pixels >> 8).astype(np.uint8)
    films = []
    for rows in range(count):
        file = BytesIO()
        Image.fromarray(grey[rows:]).save(file, "JPEG", quality=95)
        films.append(file.getvalue())
    return films
