"""Exit statuses of `pneumoscope predict` besides 0 and those that every error has."""

__all__ = ["INTERRUPTED", "SOME_NOT_SCORED"]

SOME_NOT_SCORED = 3
INTERRUPTED = 130  # as shells say it for Ctrl-C
