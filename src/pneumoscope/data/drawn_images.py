"""Images drawn from nothing: documents, noise, shapes, limbs, sections of a body.

Each stands for a way of being no chest film, none for a particular collection of images.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["ARTIFICIAL", "FROM_LUNGS", "clouds", "shapes", "to_grey"]

Grey = NDArray[np.uint8]
_SIDE = 128  # pixels


def to_grey(values: NDArray[np.floating]) -> Grey:
    """Values of 0..1 as uint8; what lies outside is clipped."""
    grey: Grey = np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    return grey


def _text(width: int, height: int, generator: Generator, ink: int, paper: int) -> Image.Image:
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789.,:;-/ ")
    image = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(image)
    size = float(generator.uniform(7, 26))
    font = ImageFont.load_default(size)
    top = float(generator.uniform(0, height / 4))
    while top < height * generator.uniform(0.7, 1.3):
        if generator.random() < 0.85:
            line = "".join(generator.choice(letters, int(generator.integers(4, 50))))
            draw.text((float(generator.uniform(0, width / 5)), top), line, ink, font)
        top += size * float(generator.uniform(1.1, 2.0))
    return image


def _document(generator: Generator) -> Grey:
    """A printed page or a screen: lines of text, often ruled, sometimes with a figure."""
    width, height = int(generator.integers(180, 320)), int(generator.integers(180, 420))
    light, dark = int(generator.integers(190, 256)), int(generator.integers(0, 90))
    paper, ink = (light, dark) if generator.random() < 0.75 else (dark, light)
    image = _text(width, height, generator, ink, paper)
    draw = ImageDraw.Draw(image)
    if generator.random() < 0.5:
        for _ in range(int(generator.integers(1, 14))):
            x, y = float(generator.uniform(0, width)), float(generator.uniform(0, height))
            draw.line((0, y, width, y) if generator.random() < 0.6 else (x, 0, x, height), ink, 1)
    if generator.random() < 0.4:
        box = sorted(generator.uniform(0, width, 2)), sorted(generator.uniform(0, height, 2))
        corners = (box[0][0], box[1][0], box[0][1], box[1][1])
        draw.rectangle(corners, int(generator.integers(0, 256)), ink)
    return np.asarray(image)


def _white_noise(generator: Generator) -> Grey:
    noise = (
        generator.random((_SIDE, _SIDE))
        if generator.random() < 0.5
        else generator.normal(0.5, 0.2, (_SIDE,) * 2)
    )
    if generator.random() < 0.4:
        noise = (noise > generator.uniform(0.2, 0.95)).astype(float)
    return to_grey(noise)


def clouds(generator: Generator) -> Grey:
    """Clouds: noise whose power falls with a random power of the frequency, as that of photographs does."""
    frequency = np.hypot(
        np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE)[None] * generator.uniform(0.5, 2)
    )
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(generator.normal(size=(_SIDE, _SIDE))) / frequency ** generator.uniform(0.6, 2.4)
    sky = np.fft.irfft2(spectrum, (_SIDE, _SIDE))
    return to_grey((sky - sky.min()) / np.ptp(sky))


def _gradient(generator: Generator) -> Grey:
    rows, columns = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    slope, bow = generator.normal(size=2), generator.normal(size=3) * generator.choice((0.0, 1.0))
    plane = (
        slope[0] * rows
        + slope[1] * columns
        + bow[0] * rows**2
        + bow[1] * columns**2
        + bow[2] * rows * columns
    )
    plane = (plane - plane.min()) / np.ptp(plane) + generator.normal(
        0, generator.uniform(0, 0.05), plane.shape
    )
    return to_grey(plane)


def shapes(generator: Generator) -> Grey:
    """Ellipses, boxes, lines and polygons, some softened: drawings, logos, objects on a table."""
    image = Image.new("L", (_SIDE, _SIDE), int(generator.integers(0, 256)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(generator.integers(1, 25))):
        x, y = generator.uniform(-0.2, 1.2, 2) * _SIDE
        w, h = np.exp(generator.normal(-1.7, 0.7, 2)) * _SIDE
        grey, kind = int(generator.integers(0, 256)), generator.integers(0, 4)
        if kind == 0:
            draw.ellipse((x - w, y - h, x + w, y + h), grey)
        elif kind == 1:
            draw.rectangle((x - w, y - h, x + w, y + h), grey)
        elif kind == 2:
            draw.line((x - w, y - h, x + w, y + h), grey, int(generator.integers(1, 8)))
        else:
            corners = generator.normal(0.0, 1.0, (4, 2)) * (w, h) + (x, y)
            draw.polygon([tuple(corner) for corner in corners.tolist()], grey)
    if generator.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.3, 5))))
    return to_grey(
        np.asarray(image) / 255.0 + generator.normal(0, generator.uniform(0, 0.06), (_SIDE, _SIDE))
    )


def _section(generator: Generator) -> Grey:
    """A slice through a body: an outline on an even ground, organs and bones inside, perhaps lungs."""
    side = 2 * _SIDE
    image = Image.new("L", (side, side), int(generator.choice((0, 0, 0, 25, 110, 130))))
    draw = ImageDraw.Draw(image)
    half = np.array((generator.uniform(0.3, 0.49), generator.uniform(0.22, 0.46))) * side
    centre = np.array((0.5, 0.5)) * side + generator.normal(0, 0.02, 2) * side
    draw.ellipse((*(centre - half), *(centre + half)), int(generator.integers(60, 256)))
    inner = half * generator.uniform(0.78, 0.97)
    draw.ellipse((*(centre - inner), *(centre + inner)), int(generator.integers(40, 230)))
    if generator.random() < 0.45:  # two lungs, seen from below
        for sign in (-1, 1):
            lung = inner * (generator.uniform(0.3, 0.45), generator.uniform(0.5, 0.85))
            place = centre + inner * (sign * generator.uniform(0.42, 0.55), generator.normal(0, 0.05))
            draw.ellipse((*(place - lung), *(place + lung)), int(generator.integers(0, 90)))
    for _ in range(int(generator.integers(2, 40))):
        organ = np.exp(generator.normal(-2.6, 0.8, 2)) * half
        place = centre + inner * generator.uniform(-0.8, 0.8, 2)
        draw.ellipse((*(place - organ), *(place + organ)), int(generator.integers(0, 256)))
    image = image.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.5, 4))))
    values = np.asarray(image) / 255.0
    return to_grey(values + generator.normal(0, generator.uniform(0, 0.08), values.shape))


def _bones(generator: Generator) -> Grey:
    """A limb: bright bars in grey sleeves on dark ground, in any direction."""
    side = 2 * _SIDE
    values = np.full((side, side), generator.uniform(0.0, 0.25))
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    angle = generator.uniform(0, np.pi)
    for _ in range(int(generator.integers(1, 6))):
        turn = angle + generator.normal(0, 0.25)
        away = np.abs(rows * np.cos(turn) - columns * np.sin(turn) + generator.uniform(-0.6, 0.6))
        along = rows * np.sin(turn) + columns * np.cos(turn)
        thick = generator.uniform(0.05, 0.2) * (1 + generator.uniform(0, 0.8) * along**2)
        ends = along > generator.uniform(-2.5, 0.3)
        sleeve = thick * generator.uniform(1.4, 3.0)
        values += ends * (generator.uniform(0.1, 0.35) / (1 + np.exp((away - sleeve) * 40)))
        values += ends * (generator.uniform(0.2, 0.6) / (1 + np.exp((away - thick) * 60)))
    return to_grey(values + generator.normal(0, generator.uniform(0, 0.03), values.shape))


def _fingers(generator: Generator) -> Grey:
    """A hand, a foot, a claw: bars that spread from one place, each in a sleeve, jointed, on dark ground."""
    side = 2 * _SIDE
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    values = np.full((side, side), generator.uniform(0.0, 0.5) * generator.integers(0, 2))
    root = np.array((generator.uniform(0.2, 0.9), generator.normal(0, 0.2)))
    heading = generator.normal(0.0, 0.3)
    for finger in range(int(generator.integers(3, 7))):
        turn = heading + (finger - 2) * generator.uniform(0.15, 0.5)
        down, right = rows - root[0], columns - root[1]
        away = np.abs(down * np.sin(turn) + right * np.cos(turn))
        along = -down * np.cos(turn) + right * np.sin(turn)
        reach = generator.uniform(0.7, 1.6)
        ends = 1 / (1 + np.exp(-(along + 0.1) * 30)) / (1 + np.exp((along - reach) * 30))
        thick = generator.uniform(0.03, 0.08) * (1 + 0.35 * np.cos(along * generator.uniform(8, 16)))
        values = np.maximum(
            values, ends * generator.uniform(0.3, 0.6) / (1 + np.exp((away - 2 * thick) * 60))
        )
        values = np.maximum(values, ends * generator.uniform(0.6, 1.0) / (1 + np.exp((away - thick) * 80)))
    palm = np.hypot(
        (rows - root[0]) / generator.uniform(0.25, 0.5), (columns - root[1]) / generator.uniform(0.2, 0.4)
    )
    values = np.maximum(values, generator.uniform(0.5, 0.9) / (1 + np.exp((palm - 1) * 12)))
    return np.rot90(to_grey(values + generator.normal(0, 0.01, values.shape)), int(generator.integers(0, 4)))


def _fan(generator: Generator) -> Grey:
    """An ultrasound image: speckle in a sector on black, with dark and bright regions."""
    side = 2 * _SIDE
    speckle = generator.rayleigh(0.35, (side // 2, side // 2)) * (0.3 + clouds(generator) / 255.0)
    values = np.asarray(
        Image.fromarray(speckle.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    )
    rows, columns = np.mgrid[0 : 1 : side * 1j, -0.5 : 0.5 : side * 1j]
    start = generator.uniform(0.0, 0.25)
    radius = np.hypot(rows + start, columns)
    inside = (np.abs(np.arctan2(columns, rows + start)) < generator.uniform(0.4, 0.9)) & (
        radius < 1 + start / 2
    )
    inside &= radius > start + 0.02
    return to_grey(values * inside)


def _air_in_a_body(lungs: Grey, generator: Generator) -> Grey:
    """A section through a chest: black lungs with bright vessels in a body of even grey.

    Along the body the lungs keep their shape and the body fills the image; across it they are squeezed, and
    the body is an ellipse on an even ground.

    Args:
        lungs: a film cut to the lungs, 0 outside.
        generator: of the drawing.
    """
    inside = np.asarray(Image.fromarray((lungs > 5).astype(np.uint8) * 255).resize((_SIDE, _SIDE))) / 255.0
    across = generator.random() < 0.4
    if across:
        turned = Image.fromarray((inside * 255).astype(np.uint8)).rotate(float(generator.choice((0, 180))))
        height, width = (int(_SIDE * share) for share in generator.uniform((0.45, 0.65), (0.75, 0.9)))
        canvas = Image.new("L", (_SIDE, _SIDE))
        canvas.paste(turned.resize((width, height)), ((_SIDE - width) // 2, (_SIDE - height) // 2))
        inside = np.asarray(canvas) / 255.0
    grey = generator.uniform(0.35, 1.0) + (clouds(generator) / 255.0 - 0.5) * generator.uniform(0, 0.4)
    vessels = np.clip(
        (clouds(generator) / 255.0 - generator.uniform(0.5, 0.7)) * generator.uniform(2, 6), 0, 1
    )
    air = float(generator.uniform(0.0, 0.3)) + vessels * generator.uniform(0.2, 0.8)
    values: NDArray[np.floating] = grey * (1 - inside) + air * inside
    for _ in range(int(generator.integers(0, 14))):  # bones, vessels, gut
        y, x = (int(corner) for corner in generator.integers(0, _SIDE, 2))
        tall, wide = (int(length) for length in generator.integers(2, 16, 2))
        values[y : y + tall, x : x + wide] += generator.normal(0.0, 0.3)
    if across:
        rows, columns = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
        body = (rows / generator.uniform(0.55, 0.9)) ** 2 + (columns / generator.uniform(0.85, 1.0)) ** 2 < 1
        values = np.where(body, values, float(generator.choice((0.0, 0.0, 0.2, 0.45))))
    elif inside.any():
        values = _closely(values, inside > 0.5, generator)
    return to_grey(values)


def _closely(
    values: NDArray[np.floating], inside: NDArray[np.bool_], generator: Generator
) -> NDArray[np.floating]:
    """Cut to the lungs and a little around them."""
    around = generator.uniform(0.02, 0.24, (2, 2)) * _SIDE
    box = []
    for axis in (1, 0):
        found = np.flatnonzero(inside.any(axis))
        if found.size == 0:
            return values
        low, high = found[0] - around[axis, 0], found[-1] + around[axis, 1]
        box.append(slice(max(0, int(low)), int(high) + 1))
    return values[box[0], box[1]]


FROM_LUNGS: dict[str, Callable[[Grey, Generator], Grey]] = {"air in a body": _air_in_a_body}

ARTIFICIAL: dict[str, Callable[[Generator], Grey]] = {
    "document": _document,
    "white noise": _white_noise,
    "pink noise": clouds,
    "gradient": _gradient,
    "shapes": shapes,
    "section": _section,
    "bones": _bones,
    "fingers": _fingers,
    "fan": _fan,
}
