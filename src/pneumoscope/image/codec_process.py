"""Processes in which frames are decoded by libraries that had better not do it here.

GDCM calls std::terminate on some damaged frames, and its reference counting does so now and then on sound
ones, which would end the process that holds the other films. OpenJPEG's wrapper holds the interpreter for the
tenth of a second and more that a film takes it, so that no other thread gets on. Both do it in a child
process, `codec_child.py`, that is kept for the next frame: there are as many as threads decode at once.
"""

import atexit
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CodecError", "decode_with_gdcm", "decode_with_openjpeg"]

_TIMEOUT_SECONDS = 120.0
_CHILD = Path(__file__).with_name("codec_child.py")

Integers = NDArray[np.integer[Any]]


class CodecError(RuntimeError):
    """A frame could not be decoded, or ended the process that tried."""


def decode_with_gdcm(
    frame: bytes, shape: tuple[int, int], allocated: int, stored: int, syntax: str
) -> Integers:
    """Decode one frame of one channel with GDCM.

    Args:
        frame: the codestream.
        shape: (rows, columns).
        allocated: bits of a pixel that GDCM is told to allocate.
        stored: bits of a pixel that are used.
        syntax: Transfer Syntax UID.

    Returns:
        (rows * columns,) uint8 where `allocated` is 8, else uint16, little endian.

    Raises:
        CodecError: GDCM failed, complained of damage, took too long, or yielded another number of pixels.
        OSError: no process could be started.
    """
    rows, columns = shape
    request = {"codec": "gdcm", "rows": rows, "columns": columns, "allocated": allocated, "stored": stored}
    pixels = _POOL.decode(request | {"syntax": syntax}, frame)
    if pixels.size != rows * columns:
        raise CodecError(f"{pixels.size} of {rows * columns} pixels")
    return pixels


def decode_with_openjpeg(frame: bytes) -> Integers:
    """Decode a JPEG 2000 codestream of one channel.

    Returns:
        Its pixels in one row, of the type that OpenJPEG's wrapper gives them.

    Raises:
        CodecError: it failed or took too long.
        OSError: no process could be started.
    """
    return _POOL.decode({"codec": "openjpeg"}, frame)


class _Child:
    """A process that decodes one frame after the other."""

    def __init__(self) -> None:
        # -P keeps this folder, whose modules are not meant to be imported bare, out of the path.
        command = [sys.executable, "-P", str(_CHILD)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.used = False

    def decode(self, request: dict[str, Any], frame: bytes) -> Integers:
        """Decode one frame.

        Raises:
            EOFError: the process has ended over it, or was ended because it took too long.
            CodecError: the decoder complained of damage.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = Timer(_TIMEOUT_SECONDS, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps(request | {"bytes": len(frame)}).encode() + b"\n")
            self._process.stdin.write(frame)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            about = json.loads(line) if line else {"bytes": 1}
            data = self._process.stdout.read(about["bytes"])
        except BrokenPipeError as error:
            raise EOFError from error
        finally:
            watch.cancel()
        if len(data) < about["bytes"]:
            raise EOFError
        self.used = True
        if about["damaged"]:
            raise CodecError("damaged data")
        pixels: Integers = np.frombuffer(data, np.dtype(str(about["dtype"])))
        return pixels

    def end(self, *, at_once: bool = False) -> int:
        """Tell the process that nothing more comes, and return its status once it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if at_once:
            self._process.kill()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait()


class _Pool:
    """Children that wait for a frame. Threads may share it; a forked process begins with none."""

    def __init__(self) -> None:
        self._idle: list[_Child] = []
        self._lock = Lock()
        self._registered = False

    def decode(self, request: dict[str, Any], frame: bytes) -> Integers:
        while True:
            child = self._take()
            fresh = not child.used
            try:
                pixels = child.decode(request, frame)
            except EOFError as error:
                status = child.end()
                # What ended a child that had decoded before may have been nothing in this frame: once more.
                if fresh:
                    raise CodecError(f"the process that decoded it ended with status {status}") from error
            except CodecError:
                self._idle.append(child)
                raise
            except BaseException:  # interrupted between the question and its answer
                child.end(at_once=True)
                raise
            else:
                self._idle.append(child)
                return pixels

    def _take(self) -> _Child:
        with self._lock:
            if not self._registered:
                self._registered = True
                atexit.register(self._end)
                if hasattr(os, "register_at_fork"):
                    os.register_at_fork(after_in_child=self._forget)
            if self._idle:
                return self._idle.pop()
        return _Child()

    def _end(self) -> None:
        while self._idle:
            self._idle.pop().end()

    def _forget(self) -> None:
        """After a fork the children are the other process's."""
        self._idle = []
        self._lock = Lock()


_POOL = _Pool()
