"""Pneumonia on chest radiographs: a calibrated probability, how far to trust it, and where it sees it."""

from pneumoscope._version import __version__

__all__ = ["__version__"]
