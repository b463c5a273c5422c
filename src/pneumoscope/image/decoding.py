"""The border between decoders written by others and the rest: their exceptions and warnings stop here."""

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from pneumoscope.errors import UnreadableFilmError

__all__ = ["DECODER_ERRORS", "DICOM_WARNING", "StructureError", "decoding", "noted_warnings"]

DECODER_ERRORS: tuple[type[Exception], ...] = (
    OSError,  # Pillow: truncated, unidentified, broken data stream, encoder errors; also plain I/O
    SyntaxError,  # Pillow: a chunk, marker or tag out of place
    EOFError,  # Pillow, pydicom: end of data inside a header
    ValueError,  # all; includes UnicodeError and our StructureError
    TypeError,  # pydicom: an element is empty, or of another multiplicity than it must be
    AttributeError,  # pydicom: a required element is absent
    LookupError,  # Pillow, pydicom: KeyError, IndexError in tables and tags
    ArithmeticError,  # OverflowError, ZeroDivisionError on sizes and rationals
    RuntimeError,  # gdcm, openjpeg, libtiff; includes NotImplementedError and RecursionError
    struct.error,  # Pillow, pydicom: a header shorter than its fields
    zlib.error,  # PNG, deflated DICOM
    MemoryError,  # an allocation that a header asked for
    AssertionError,  # Pillow: sizes that contradict each other
)
"""What decoders really raise on damaged files; our own `FilmError` is none of these."""

DICOM_WARNING = "the DICOM file breaks the standard in places; what was needed of it could be read"

# `warnings.catch_warnings` swaps a global of the interpreter: two threads inside it at once would leave the
# filters of one behind for the whole process.
_WARNINGS_LOCK = threading.RLock()


class StructureError(ValueError):
    """A file breaks its own format; the text is the cause, ready for a `FilmError`."""


@contextmanager
def decoding(source: str, kind: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn whatever a decoder raises into one clear error.

    Args:
        source: how the caller named the film.
        kind: the format, for the message.
        also: exceptions of the decoder that are no kind of `DECODER_ERRORS`.

    Raises:
        UnreadableFilmError: instead of any of them.
    """
    try:
        yield
    except StructureError as error:
        raise UnreadableFilmError(source, str(error), "copy or export the film again") from error
    except MemoryError as error:
        raise UnreadableFilmError(
            source, f"decoding this {kind} file asks for more memory than there is", "export the film again"
        ) from error
    except (*DECODER_ERRORS, *also) as error:
        # The decoder's own words may quote the header, and with it the patient: they stay in __cause__.
        raise UnreadableFilmError(
            source, f"the {kind} file is damaged or cut short", "copy or export the film again"
        ) from error


@contextmanager
def noted_warnings(notes: list[str], sentence: str) -> Iterator[None]:
    """Turn a decoder's warnings about a file into one sentence for the person who reads the result.

    Warnings about code (deprecations, unclosed resources) are issued again: they are not the film's.

    Args:
        notes: the sentence is appended where there was any warning.
        sentence: what to say; the warnings' own texts may quote the header, and with it the patient.
    """
    with _WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    about_code = (
        DeprecationWarning,
        PendingDeprecationWarning,
        FutureWarning,
        ResourceWarning,
        ImportWarning,
    )
    for item in caught:
        if issubclass(item.category, about_code):
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
        elif sentence not in notes:
            notes.append(sentence)
