"""Films as files, one per seed."""

import numpy as np
from PIL import Image

from generated import chest_like
from image.made_dicom import dataset, dicom_bytes
from image.made_images import encoded, tiff


def png(seed: int, *, height: int = 96, width: int = 90) -> bytes:
    film = chest_like(seed, height=height, width=width, opacity=seed % 2 == 0)
    return encoded(Image.fromarray(film), "PNG")


def large(seed: int) -> bytes:
    """Nine megabytes, quickly made and quickly read."""
    return tiff(np.tile(chest_like(seed, height=100, width=100), (30, 30)))


def dicom(seed: int, **elements: object) -> bytes:
    return dicom_bytes(dataset(chest_like(seed, height=96, width=90), **elements))
