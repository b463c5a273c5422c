"""What people have in their folders: every bad file is a record with a reason, and memory stays small."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from generated import chest_like

# Runs the command, then says on standard error how much memory it took at most. (The resource module would
# tell the peak of the process that started it, where that is larger.)
PROGRAM = """
import sys
from pathlib import Path
from pneumoscope.cli.main import main
try:
    main()
finally:
    status = Path("/proc/self/status").read_text()
    print("peak", status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bomb(side: int) -> bytes:
    """A valid black PNG of side x side pixels in a few megabytes, without packing gigabytes of zeros."""
    zeros = side * (1 + side)
    chunks, rest = divmod(zeros, 2**20)
    packer = zlib.compressobj(9, wbits=-15)
    chunk = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)  # may be repeated as it is
    packer = zlib.compressobj(9, wbits=-15)
    adler = (zeros % 65521 << 16) + 1
    content = (
        b"\x78\xda"
        + chunk * chunks
        + packer.compress(bytes(rest))
        + packer.flush()
        + struct.pack(">I", adler)
    )
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", content) + png_chunk(b"IEND", b"")


def test_the_bomb_is_a_sound_image() -> None:
    image = Image.open(io.BytesIO(png_bomb(3000)))
    image.load()
    assert (image.size, image.getextrema()) == ((3000, 3000), (0, 0))


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, str]:
    """Path of each bad file -> the status that its record must have."""
    film = Image.fromarray(chest_like(5, height=800, width=700))
    film.save(tmp_path / "whole.jpg")
    jpeg = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "whole.jpg").unlink()
    for name, content in {
        "text.png": b"This is a report, not a film.\n",
        "empty.png": b"",
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "bomb.png": png_bomb(50_000),
    }.items():
        (tmp_path / name).write_bytes(content)
    Image.new("L", (1, 1)).save(tmp_path / "pixel.png")
    statuses = {
        "text.png": "error",
        "empty.png": "error",
        "cut.jpg": "error",
        "bomb.png": "error",
        "pixel.png": "rejected",
    }
    foreign = {"US1_UNCR.dcm": "rejected", "CT_small.dcm": "rejected", "RG3_UNCR.dcm": "rejected"}
    paths = {str(tmp_path / name): status for name, status in statuses.items()}
    return paths | {str(get_testdata_file(name)): status for name, status in foreign.items()}


def score(paths: list[str], tiny: Path, status: int) -> tuple[list[dict[str, object]], int]:
    """Records, and the peak of memory in MB."""
    command = [sys.executable, "-c", PROGRAM, "predict", *paths, "--model", str(tiny), "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == status, done.stderr
    (peak,) = [line for line in done.stderr.splitlines() if line.startswith("peak")]
    return [json.loads(line) for line in done.stdout.splitlines()], int(peak.split()[1]) // 1024


def check(records: list[dict[str, object]], bad: dict[str, str], good: list[str]) -> None:
    assert [record["path"] for record in records] == [*bad, *good]
    assert {record["path"]: record["status"] for record in records} == bad | dict.fromkeys(good, "ok")
    for record in records:
        assert (record["reason"] is None) == (record["status"] == "ok")
        assert (record["probability"] is None) == (record["status"] != "ok")
    reasons = [record["reason"] for record in records if record["status"] != "ok"]
    assert len(set(reasons)) == len(bad)


def test_every_bad_file_is_refused_and_the_good_ones_are_scored(bad: dict[str, str], tiny: Path) -> None:
    good = [str(get_testdata_file(name)) for name in ("RG1_UNCR.dcm", "RG1_J2KI.dcm")]
    records, peak = score([*bad, *good], tiny, status=3)
    check(records, bad, good)
    assert peak < 1000


@pytest.mark.pool
def test_full_size_films_and_dicom_of_the_pool(pool: Path, bad: dict[str, str], tiny: Path) -> None:
    good = sorted(str(path) for folder in ("full-size", "dicom") for path in (pool / folder).rglob("*.*"))
    assert len(good) == 21
    records, peak = score([*bad, *good], tiny, status=3)
    check(records, bad, good)
    assert peak < 1000
