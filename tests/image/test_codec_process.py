"""Children that decode: kept while they are sound, replaced when they are not, gone with their parent."""

import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import decode
from pydicom import uid

from generated import chest_like
from image.made_dicom import compressed, dataset, dicom_bytes
from pneumoscope.image import codec_process
from pneumoscope.image.codec_process import CodecError, decode_with_gdcm, decode_with_openjpeg
from pneumoscope.image.read import read

SHAPE = (96, 80)


@pytest.fixture
def pool(monkeypatch):
    """Children of this test alone."""
    pool = codec_process._Pool()
    monkeypatch.setattr(codec_process, "_POOL", pool)
    yield pool
    pool._end()


def pixels(bits=12):
    return chest_like(5, height=SHAPE[0], width=SHAPE[1]).astype(np.uint16) << (bits - 8)


def gdcm(frame):
    return decode_with_gdcm(frame, SHAPE, 16, 12, str(uid.JPEGLosslessSV1))


def process(pool):
    """The one child that waits."""
    (child,) = pool._idle
    return child._process.pid


@pytest.fixture(scope="module")
def frame():
    return compressed(pixels(), 12, uid.JPEGLosslessSV1)


def test_one_child_decodes_frame_after_frame(pool, frame):
    first = gdcm(frame)
    np.testing.assert_array_equal(first.reshape(SHAPE), pixels())
    pid = process(pool)
    np.testing.assert_array_equal(gdcm(frame), first)
    jpeg2000 = compressed(pixels(), 12, uid.JPEG2000Lossless)
    np.testing.assert_array_equal(decode_with_openjpeg(jpeg2000), decode(jpeg2000).ravel())
    assert process(pool) == pid


def test_child_that_dies_between_frames_is_replaced(pool, frame):
    expected = gdcm(frame)
    pid = process(pool)
    os.kill(pid, signal.SIGKILL)
    np.testing.assert_array_equal(gdcm(frame), expected)
    assert process(pool) != pid


def test_frame_that_ends_its_child_is_damaged_and_the_next_is_not(pool, frame):
    with pytest.raises(CodecError, match="ended with status"):
        decode_with_openjpeg(b"\xff\x4f\xff\x51 no codestream")
    assert not pool._idle
    np.testing.assert_array_equal(gdcm(frame).reshape(SHAPE), pixels())


def test_complaints_belong_to_one_frame(pool, frame):
    """GDCM decodes on after damage, with grey for the rest, and only says so on its standard error stream."""
    half = len(frame) // 2
    noise = np.random.default_rng(0).integers(0, 250, half - 2, dtype=np.uint8)
    damaged = frame[:half] + noise.tobytes() + frame[-2:]
    with pytest.raises(CodecError, match="damaged data"):
        gdcm(damaged)
    pid = process(pool)
    np.testing.assert_array_equal(gdcm(frame).reshape(SHAPE), pixels())
    assert process(pool) == pid


def test_wrong_number_of_pixels(pool, frame):
    with pytest.raises(CodecError):
        decode_with_gdcm(frame, (SHAPE[0] * 2, SHAPE[1]), 16, 12, str(uid.JPEGLosslessSV1))


def test_child_that_does_not_answer_is_ended(pool, frame, monkeypatch):
    gdcm(frame)
    monkeypatch.setattr(codec_process, "_TIMEOUT_SECONDS", 0.2)
    os.kill(process(pool), signal.SIGSTOP)
    # The frame is tried once more, by a child that does not answer either.
    monkeypatch.setattr(codec_process, "_CHILD", Path(__file__).with_name("silent_child.py"))
    with pytest.raises(CodecError, match="ended with status -9"):
        gdcm(frame)


def test_as_many_children_as_threads(pool, frame):
    together = threading.Barrier(3)

    def work(_):
        together.wait()
        return gdcm(frame)

    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(work, range(3)))
    assert 1 <= len(pool._idle) <= 3
    assert all(np.array_equal(result.reshape(SHAPE), pixels()) for result in results)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_film_is_the_same_from_any_thread(pool, bits):
    stored = pixels(bits).astype(np.uint8 if bits == 8 else np.uint16)
    film = dicom_bytes(dataset(stored, BitsStored=bits), uid.JPEG2000Lossless)
    here = read(film).pixels
    assert not pool._idle
    with ThreadPoolExecutor(1) as threads:
        there = threads.submit(read, film).result().pixels
    assert len(pool._idle) == 1
    assert here.dtype == there.dtype
    np.testing.assert_array_equal(here, there)


def ended(pid):
    """Whether a process, which need not be ours, has ended or does so within half a minute."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(process, "rb") as waiting:
        return bool(select.select([waiting], [], [], 30)[0])


@pytest.mark.parametrize("ending", ["", "os._exit(0)"])
def test_children_end_with_their_parent(frame, tmp_path, ending):
    (tmp_path / "frame").write_bytes(frame)
    code = f"""
import os, pathlib
from pneumoscope.image import codec_process
frame = pathlib.Path({str(tmp_path / "frame")!r}).read_bytes()
codec_process.decode_with_gdcm(frame, {SHAPE}, 16, 12, {str(uid.JPEGLosslessSV1)!r})
print(codec_process._POOL._idle[0]._process.pid, flush=True)
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert ended(int(done.stdout))
