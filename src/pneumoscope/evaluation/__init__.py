"""Metrics, intervals, calibration."""
