"""Chest films as users send them, and what a chest film becomes that must not be scored.

`SPOILED` makes a negative of a film, turns it, cuts it, shuffles it. Each stands for a way of being no
usable chest film, none for a particular collection of images.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from pneumoscope.data.drawn_images import clouds, shapes, to_grey

__all__ = ["SPOILED", "as_sent", "softened"]

Grey = NDArray[np.uint8]
_SIDE = 128  # of what is put together anew, pixels


def as_sent(film: Grey, generator: Generator) -> Grey:
    """A chest film as another hospital or user might send it; still to be accepted.

    Turned a little, cut or zoomed, mirrored (nothing in the image tells a mirrored film from situs inversus),
    of another exposure, softened down to 64 pixels, framed in black or white.

    Args:
        film: (H, W) uint8.
        generator: of the changes.

    Returns:
        (H', W') uint8.
    """
    image = Image.fromarray(film)
    if generator.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if generator.random() < 0.6:
        image = _turned(image, float(generator.normal(0.0, 5.0)))
    if generator.random() < 0.6:
        image = _window(image, generator, smallest=0.82)
    grey = np.asarray(image).astype(np.float32) / 255.0
    grey = grey ** float(np.exp(generator.normal(0.0, 0.22)))
    if generator.random() < 0.4:
        low, high = generator.uniform(0.0, 0.25), generator.uniform(0.75, 1.0)
        grey = low + grey * (high - low)
    if generator.random() < 0.3:
        grey = grey + generator.normal(0.0, generator.uniform(0.005, 0.03), grey.shape).astype(np.float32)
    sent = to_grey(grey)
    if generator.random() < 0.4:
        sent = _framed(sent, generator)
    return softened(sent, generator) if generator.random() < 0.35 else sent


def softened(film: Grey, generator: Generator) -> Grey:
    """The film scaled to about 64 pixels and blurred, as small collections of images are.

    Args:
        film: (H, W) uint8.
        generator: of size and blur.

    Returns:
        (S, S) uint8, S about 64.
    """
    side = int(generator.integers(56, 97))
    image = Image.fromarray(film).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.3, 1.3)))))


def _framed(film: Grey, generator: Generator) -> Grey:
    """Margins of the cassette, the light box or the scan, up to a third of it, with a marker."""
    widest = np.where(generator.random((2, 2)) < 0.5, 0.33, 0.06) * np.asarray(film.shape)[:, None]
    margins = (generator.random((2, 2)) * widest).astype(int)
    ground = int(generator.choice((0, 0, 20, 255)))
    framed = np.pad(film, margins.tolist(), constant_values=ground)
    if generator.random() < 0.5:
        image = Image.fromarray(framed)
        height, width = framed.shape
        x, y = float(generator.uniform(0, 0.9) * width), float(generator.choice((0.01, 0.9)) * height)
        size = float(generator.uniform(0.05, 0.1)) * height
        ink = 255 if ground < 128 else 0
        ImageDraw.Draw(image).text(
            (x, y), str(generator.choice(list("LRAP"))), ink, ImageFont.load_default(size)
        )
        framed = np.asarray(image)
    return framed


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BILINEAR)


def _window(image: Image.Image, generator: Generator, smallest: float, largest: float = 1.0) -> Image.Image:
    """A part of the image whose sides are between these shares of it."""
    width, height = (side * float(generator.uniform(smallest, largest)) for side in image.size)
    left = float(generator.uniform(0, image.width - width))
    top = float(generator.uniform(0, image.height - height))
    return image.crop((int(left), int(top), int(left + max(width, 8)), int(top + max(height, 8))))


def _inverted(film: Grey, generator: Generator) -> Grey:
    return 255 - as_sent(film, generator)


def _upside_down(film: Grey, generator: Generator) -> Grey:
    return as_sent(film, generator)[::-1]  # as_sent mirrors half of them: both kinds of upside down


def _on_its_side(film: Grey, generator: Generator) -> Grey:
    return np.rot90(as_sent(film, generator), int(generator.choice((1, 3))))


def _slanted(film: Grey, generator: Generator) -> Grey:
    degrees = float(generator.uniform(40, 75) * generator.choice((-1, 1)))
    return np.asarray(_turned(Image.fromarray(as_sent(film, generator)), degrees))


def _inverted_and_turned(film: Grey, generator: Generator) -> Grey:
    return np.rot90(_inverted(film, generator), int(generator.integers(1, 4)))


def _detail(film: Grey, generator: Generator) -> Grey:
    return np.asarray(_window(Image.fromarray(film), generator, 0.12, 0.4))


def _one_lung(film: Grey, generator: Generator) -> Grey:
    """The left or right half: one lung and no midline, as on a detail view and much as on a lateral film."""
    middle, start = film.shape[1] // 2, int(generator.integers(0, film.shape[1] // 12 + 1))
    half = film[:, start : middle - start // 2]
    return half if generator.random() < 0.5 else film[:, middle + start // 2 : film.shape[1] - start]


def _strip(film: Grey, generator: Generator) -> Grey:
    """Its upper or lower part over the whole width: bases without apices, or the other way round."""
    sent = as_sent(film, generator) if generator.random() < 0.5 else film
    rows = max(8, int(sent.shape[0] * generator.uniform(0.25, 0.48)))
    return sent[:rows] if generator.random() < 0.4 else sent[-rows:]


def _far_away(film: Grey, generator: Generator) -> Grey:
    """The film as a small part of something larger, such as a light box or a screen."""
    image = Image.fromarray(film).resize((_SIDE // 3, _SIDE // 3))
    around = clouds(generator) if generator.random() < 0.5 else shapes(generator)
    canvas = Image.fromarray(np.ascontiguousarray(around))
    room = _SIDE - _SIDE // 3
    canvas.paste(image, (int(generator.integers(0, room)), int(generator.integers(0, room))))
    return np.asarray(canvas)


def _shuffled(film: Grey, generator: Generator) -> Grey:
    """Its tiles in another order: everything is there, nothing is where it belongs."""
    tiles = int(generator.integers(2, 5))
    side = _SIDE // tiles
    image = np.asarray(Image.fromarray(film).resize((side * tiles, side * tiles)))
    stack = image.reshape(tiles, side, tiles, side).swapaxes(1, 2).reshape(-1, side, side)
    order = np.arange(tiles * tiles)
    while np.mean(order == np.arange(tiles * tiles)) > 0.3:
        order = generator.permutation(tiles * tiles)
    return stack[order].reshape(tiles, tiles, side, side).swapaxes(1, 2).reshape(side * tiles, side * tiles)


def _bent(film: Grey, generator: Generator) -> Grey:
    """Bent beyond anatomy by a smooth random field."""
    image = np.asarray(Image.fromarray(film).resize((_SIDE, _SIDE)))
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE].astype(np.float32)
    for axis in (rows, columns):
        field = generator.normal(0.0, 1.0, (5, 5)).astype(np.float32) * _SIDE * 0.17
        axis += np.asarray(Image.fromarray(field).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
    index = [np.clip(axis.astype(int), 0, _SIDE - 1) for axis in (rows, columns)]
    bent: Grey = image[index[0], index[1]]
    return bent


def _overexposed(film: Grey, generator: Generator) -> Grey:
    gain = float(generator.uniform(4.0, 8.0))
    return to_grey(film / 255.0 * gain - generator.uniform(0.0, 0.2))


def _posterised(film: Grey, generator: Generator) -> Grey:
    """Contrast pushed until little but black and white is left."""
    low, high = np.percentile(film, (generator.uniform(25, 50), generator.uniform(55, 70)))
    return to_grey((film - float(low)) / max(float(high - low), 1.0))


def _underexposed(film: Grey, generator: Generator) -> Grey:
    return to_grey((film / 255.0 - generator.uniform(0.75, 0.9)) * 4.0)


SPOILED: dict[str, Callable[[Grey, Generator], Grey]] = {
    "inverted": _inverted,
    "upside down": _upside_down,
    "on its side": _on_its_side,
    "slanted": _slanted,
    "inverted and turned": _inverted_and_turned,
    "detail": _detail,
    "one lung": _one_lung,
    "strip": _strip,
    "far away": _far_away,
    "shuffled": _shuffled,
    "bent": _bent,
    "posterised": _posterised,
    "overexposed": _overexposed,
    "underexposed": _underexposed,
}
